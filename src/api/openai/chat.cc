#include "api/openai/chat.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "api/errors.h"
#include "api/openai/messages.h"
#include "api/openai/request_body.h"
#include "api/openai/run.h"

namespace millrace::api {
namespace {

constexpr double kMaxInt = std::numeric_limits<int>::max();
using C = ChatWire;

Status set_messages(C& chat, const json::value& value) {
  auto messages = parse_messages(value);
  if (!messages) return pass(messages);
  chat.prompt.messages = std::move(*messages);
  return {};
}

Status set_tools(C& chat, const json::value& value) {
  auto tools = parse_tools(value);
  if (!tools) return pass(tools);
  chat.prompt.tools = std::move(*tools);
  return {};
}

Status set_tool_choice(C& chat, const json::value& value) {
  chat.tools_hidden = value.is_string() && value.as_string() == "none";
  return check_tool_choice(value);
}

const std::array kFields = {
    Field<C>{"messages", &set_messages, {}, "", "the conversation so far"},
    Field<C>{"max_completion_tokens",
             [](C& c, std::int64_t v) {
               c.wire.options.max_tokens = static_cast<int>(v);
               c.wire.options.max_tokens_field = "max_completion_tokens";
             },
             {.min = 1, .max = kMaxInt},
             "",
             "the newer name of max_tokens"},
    Field<C>{"logprobs",
             [](C& c, bool v) { c.logprobs = v; },
             {},
             "false",
             "log-probabilities of the output tokens"},
    Field<C>{"top_logprobs",
             [](C& c, std::int64_t v) { c.top_logprobs = static_cast<int>(v); },
             {.min = 0, .max = 20},
             "0",
             "and of the most likely ones"},
    Field<C>{"tools", &set_tools, {}, "", "shown to the model by its template"},
    Field<C>{"tool_choice", &set_tool_choice, {}, "auto", "none or auto"},
    Field<C>{"add_generation_prompt",
             [](C& c, bool v) { c.prompt.add_generation_prompt = v; },
             {},
             "true",
             "open the assistant's turn"},
    Field<C>{"continue_final_message",
             [](C& c, bool v) { c.prompt.continue_final_message = v; },
             {},
             "false",
             "go on within the last message"},
    Field<C>{"add_special_tokens", [](C&, bool) {}, {}, "false", "the template brings them"},
};

// A text as clients index it: the token as text, its bytes as numbers.
void write_token(JsonWriter& json, const serving::TokenText& token) {
  json.field("token", token.bytes);
  json.key("logprob").number(std::max(token.logprob, -9999.0f));
  json.key("bytes").open_array();
  for (const char byte : token.bytes) json.integer(static_cast<unsigned char>(byte));
  json.close_array();
}

}  // namespace

std::span<const Field<ChatWire>> chat_fields() {
  return kFields;
}

Status parse_chat_fields(const json::object& body, ChatWire& chat) {
  if (auto ok = parse_fields(chat_fields(), body, chat); !ok) return ok;
  if (chat.prompt.messages.empty()) return missing("messages");
  if (chat.top_logprobs > 0 && !chat.logprobs) {
    return invalid("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs", "invalid_value");
  }
  if (chat.prompt.continue_final_message) {
    const json::value* opens = body.if_contains("add_generation_prompt");
    if (opens && opens->is_bool() && opens->as_bool()) {
      return invalid("'continue_final_message' and 'add_generation_prompt' exclude each other.",
                     "continue_final_message", "invalid_value");
    }
    chat.prompt.add_generation_prompt = false;
  }
  if (chat.tools_hidden) chat.prompt.tools.clear();
  if (chat.logprobs) chat.wire.options.sampling.num_logprobs = chat.top_logprobs;
  chat.wire.options.want_tokens = chat.logprobs || chat.wire.return_token_ids;
  return {};
}

ChatFormat::ChatFormat(AnswerHead head, int num_choices)
    : AnswerFormat(std::move(head)), has_role_(static_cast<std::size_t>(num_choices)) {}

void ChatFormat::write_logprobs(JsonWriter& json,
                                const std::vector<serving::OutputToken>& tokens) const {
  json.key("logprobs");
  if (head_.num_logprobs < 0) {
    json.null();
    return;
  }
  json.open_object().key("content").open_array();
  for (const serving::OutputToken& token : tokens) {
    json.open_object();
    write_token(json, token.token);
    json.key("top_logprobs").open_array();
    const auto count = std::min(token.top.size(), static_cast<std::size_t>(head_.num_logprobs));
    for (std::size_t i = 0; i < count; ++i) {
      json.open_object();
      write_token(json, token.top[i]);
      json.close_object();
    }
    json.close_array().close_object();
  }
  json.close_array().null_field("refusal").close_object();
}

void ChatFormat::append_events(std::string& out, const serving::TextDelta& delta,
                               const TokenUsage& usage) {
  const auto choice = static_cast<std::size_t>(delta.choice);
  if (!has_role_[choice]) {
    has_role_[choice] = true;
    append_event(out, delta.choice, usage, [&](JsonWriter& json) {
      json.key("delta")
          .open_object()
          .field("role", "assistant")
          .field("content", "")
          .close_object();
      if (head_.return_token_ids) {
        json.key("prompt_token_ids").open_array();
        for (const TokenId id : head_.prompt_token_ids[0]) json.integer(id);
        json.close_array();
      }
      json.null_field("logprobs").null_field("finish_reason");
    });
  }
  if (!delta.text.empty() || !delta.tokens.empty()) {
    append_event(out, delta.choice, usage, [&](JsonWriter& json) {
      json.key("delta").open_object().field("content", delta.text).close_object();
      write_logprobs(json, delta.tokens);
      write_token_ids(json, delta.tokens);
      json.null_field("finish_reason");
    });
  }
  if (delta.finish != FinishReason::none) {
    append_event(out, delta.choice, usage, [&](JsonWriter& json) {
      json.key("delta").open_object().close_object().null_field("logprobs");
      json.field("finish_reason", finish_text(delta.finish));
      write_stop_reason(json, delta.stop_string, delta.stop_token);
    });
  }
}

void ChatFormat::write_choice(JsonWriter& json, int, const CollectedChoice& choice) const {
  json.key("message").open_object().field("role", "assistant").field("content", choice.text);
  json.null_field("refusal").close_object();
  write_logprobs(json, choice.tokens);
  write_token_ids(json, choice.tokens);
  json.field("finish_reason", finish_text(choice.finish));
  write_stop_reason(json, choice.stop_string, choice.stop_token);
}

void post_chat(const ApiContext& context, const net::HttpRequest& http,
               std::shared_ptr<net::Responder> respond) {
  const TimePoint began = Clock::now();
  const auto begin = [&]() -> Result<RunningAnswer> {
    const auto body = parse_body(http);
    if (!body) return std::unexpected(body.error());
    auto wire = parse_text_request(context, http, *body, began);
    if (!wire) return pass(wire);
    ChatWire chat{.wire = *wire};
    if (auto ok = parse_chat_fields(*body, chat); !ok) return pass(ok);
    auto stream = context.text.chat({.options = wire->options, .prompt = std::move(chat.prompt)});
    if (!stream) return pass(stream);
    wire->options.trace.span("post_chat", began, Clock::now());
    AnswerHead head = head_of(**stream, *wire, "chatcmpl-");
    head.object = "chat.completion";
    head.chunk_object = "chat.completion.chunk";
    auto format = std::make_unique<ChatFormat>(std::move(head), (*stream)->num_choices());
    return RunningAnswer{std::move(*stream), std::move(format), wire->stream};
  };
  run_answer(context, begin(), std::move(respond));
}

}  // namespace millrace::api
