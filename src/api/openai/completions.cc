#include "api/openai/completions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "api/errors.h"
#include "api/openai/request_body.h"
#include "api/openai/run.h"

namespace millrace::api {
namespace {

constexpr std::size_t kMaxPrompts = 128;
constexpr std::size_t kMaxSequences = 128;  // prompts times choices
constexpr int kDefaultMaxTokens = 16;       // OpenAI's
constexpr std::size_t kMaxPromptIds = 1 << 20;
using C = CompletionWire;

std::unexpected<Error> bad_prompt(std::string_view what) {
  return invalid(fmt::format("Invalid 'prompt': {}.", what), "prompt", "invalid_value");
}

Status add_ids(C& completion, const json::value& value) {
  auto ids = read_token_ids("prompt", value, kMaxPromptIds);
  if (!ids) return pass(ids);
  if (ids->empty()) return bad_prompt("an empty list of tokens");
  completion.prompts.emplace_back(std::move(*ids));
  return {};
}

Status add_text(C& completion, const json::value& value) {
  if (!value.is_string()) return wrong_type("prompt", "strings only, or token ids only", value);
  if (value.as_string().empty()) return bad_prompt("an empty string");
  completion.prompts.emplace_back(std::string(value.as_string()));
  return {};
}

// A string, strings, token ids, or lists of token ids; never a mix.
Status set_prompt(C& completion, const json::value& value) {
  if (value.is_string()) return add_text(completion, value);
  const json::array* list = value.if_array();
  if (!list) return wrong_type("prompt", "a string or an array", value);
  if (list->empty()) return bad_prompt("an empty array");
  if (list->front().is_number()) return add_ids(completion, value);
  if (list->size() > kMaxPrompts) {
    return invalid(fmt::format("Invalid 'prompt': at most {} prompts.", kMaxPrompts), "prompt",
                   "value_out_of_range");
  }
  const bool ids = list->front().is_array();
  for (const json::value& item : *list) {
    if (auto ok = ids ? add_ids(completion, item) : add_text(completion, item); !ok) return ok;
  }
  return {};
}

const std::array kFields = {
    Field<C>{"prompt", &set_prompt, {}, "", "text or token ids, one or several"},
    Field<C>{
        "echo", [](C& c, bool v) { c.echo = v; }, {}, "false", "the answer repeats the prompt"},
    Field<C>{"logprobs",
             [](C& c, std::int64_t v) { c.num_logprobs = static_cast<int>(v); },
             {.min = 0, .max = 20},
             "",
             "of each token and so many of the most likely"},
    Field<C>{"add_special_tokens",
             [](C& c, bool v) { c.wire.options.add_special_tokens = v; },
             {},
             "true",
             "begin with the model's BOS token"},
};

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

int num_characters(std::string_view text) {
  return static_cast<int>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

// As OpenAI names tokens that are no whole characters: "bytes:\xe4\xbd".
std::string token_name(const serving::TokenText& token) {
  std::string json_text;
  append_json_escaped(json_text, token.bytes);
  const bool whole =
      json_text.find("\xEF\xBF\xBD") == std::string::npos || token.bytes == "\xEF\xBF\xBD";
  if (whole) return token.bytes;
  std::string name = "bytes:";
  for (const char byte : token.bytes) {
    name += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  }
  return name;
}

}  // namespace

std::span<const Field<CompletionWire>> completion_fields() {
  return kFields;
}

Status parse_completion_fields(const json::object& body, CompletionWire& completion) {
  if (auto ok = parse_fields(completion_fields(), body, completion); !ok) return ok;
  if (completion.prompts.empty()) return missing("prompt");
  serving::TextOptions& options = completion.wire.options;
  if (completion.prompts.size() * static_cast<std::size_t>(options.n) > kMaxSequences) {
    return invalid(fmt::format("At most {} prompts times choices.", kMaxSequences), "n",
                   "value_out_of_range");
  }
  if (completion.echo && completion.num_logprobs >= 0) {
    return unsupported("logprobs", "those of an echoed prompt are switched off");
  }
  options.default_max_tokens = kDefaultMaxTokens;
  options.sampling.num_logprobs = completion.num_logprobs;
  options.want_tokens = completion.num_logprobs >= 0 || completion.wire.return_token_ids;
  return {};
}

CompletionFormat::CompletionFormat(AnswerHead head, std::vector<int> text_offsets)
    : AnswerFormat(std::move(head)),
      text_offsets_(std::move(text_offsets)),
      begun_(text_offsets_.size()) {}

int CompletionFormat::write_logprobs(JsonWriter& json,
                                     const std::vector<serving::OutputToken>& tokens,
                                     int offset) const {
  json.key("logprobs");
  if (head_.num_logprobs < 0) {
    json.null();
    return offset;
  }
  json.open_object().key("tokens").open_array();
  for (const auto& token : tokens) json.string(token_name(token.token));
  json.close_array().key("token_logprobs").open_array();
  for (const auto& token : tokens) json.number(std::max(token.token.logprob, -9999.0f));
  json.close_array().key("top_logprobs").open_array();
  for (const auto& token : tokens) {
    json.open_object();
    const auto count = std::min(token.top.size(), static_cast<std::size_t>(head_.num_logprobs));
    bool has_chosen = false;
    for (std::size_t i = 0; i < count; ++i) {
      json.key(token_name(token.top[i])).number(std::max(token.top[i].logprob, -9999.0f));
      has_chosen |= token.top[i].id == token.token.id;
    }
    if (!has_chosen)
      json.key(token_name(token.token)).number(std::max(token.token.logprob, -9999.0f));
    json.close_object();
  }
  json.close_array().key("text_offset").open_array();
  for (const auto& token : tokens) {
    json.integer(offset);
    offset += num_characters(token.token.bytes);
  }
  json.close_array().close_object();
  return offset;
}

void CompletionFormat::write_prompt_ids(JsonWriter& json, int choice) const {
  if (!head_.return_token_ids) return;
  const auto prompt = static_cast<std::size_t>(choice / head_.num_choices_per_prompt);
  json.key("prompt_token_ids").open_array();
  for (const TokenId id : head_.prompt_token_ids[prompt]) json.integer(id);
  json.close_array();
}

void CompletionFormat::append_events(std::string& out, const serving::TextDelta& delta,
                                     const TokenUsage& usage) {
  const auto choice = static_cast<std::size_t>(delta.choice);
  append_event(out, delta.choice, usage, [&](JsonWriter& json) {
    json.field("text", delta.text);
    text_offsets_[choice] = write_logprobs(json, delta.tokens, text_offsets_[choice]);
    if (!begun_[choice]) write_prompt_ids(json, delta.choice);
    begun_[choice] = true;
    write_token_ids(json, delta.tokens);
    json.key("finish_reason");
    delta.finish == FinishReason::none ? json.null() : json.string(finish_text(delta.finish));
    write_stop_reason(json, delta.stop_string, delta.stop_token);
  });
}

void CompletionFormat::write_choice(JsonWriter& json, int index,
                                    const CollectedChoice& choice) const {
  json.field("text", choice.text);
  write_logprobs(json, choice.tokens, text_offsets_[static_cast<std::size_t>(index)]);
  if (head_.prompt_token_ids.size() > 1) write_prompt_ids(json, index);
  write_token_ids(json, choice.tokens);
  json.field("finish_reason", finish_text(choice.finish));
  write_stop_reason(json, choice.stop_string, choice.stop_token);
}

void post_completions(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond) {
  const TimePoint began = Clock::now();
  const auto begin = [&]() -> Result<RunningAnswer> {
    const auto body = parse_body(http);
    if (!body) return std::unexpected(body.error());
    auto wire = parse_text_request(context, http, *body, began);
    if (!wire) return pass(wire);
    CompletionWire completion{.wire = *wire};
    if (auto ok = parse_completion_fields(*body, completion); !ok) return pass(ok);
    auto stream = context.text.complete({.options = wire->options,
                                         .prompts = std::move(completion.prompts),
                                         .echo = completion.echo});
    if (!stream) return pass(stream);
    wire->options.trace.span("post_completions", began, Clock::now());
    AnswerHead head = head_of(**stream, *wire, "cmpl-");
    head.object = head.chunk_object = "text_completion";
    std::vector<int> text_offsets;
    for (const auto& prompt : (*stream)->prompts()) {
      text_offsets.insert(text_offsets.end(), static_cast<std::size_t>(wire->options.n),
                          num_characters(prompt.echo));
    }
    auto format = std::make_unique<CompletionFormat>(std::move(head), std::move(text_offsets));
    return RunningAnswer{std::move(*stream), std::move(format), wire->stream};
  };
  run_answer(context, begin(), std::move(respond));
}

}  // namespace millrace::api
