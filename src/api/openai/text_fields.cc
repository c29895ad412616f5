#include "api/openai/text_fields.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace millrace::api {
namespace {

constexpr double kMaxInt = std::numeric_limits<int>::max();
constexpr std::size_t kMaxStops = 4;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::size_t kMaxBiases = 1024;
constexpr std::size_t kMaxListedIds = 1 << 17;
constexpr std::size_t kMaxIdBytes = 128;
constexpr double kMaxTimeoutSeconds = 86'400;

Status set_stop(WireRequest& wire, const json::value& value) {
  if (value.is_string()) {
    auto one = read_string("stop", value, {.min = 1, .max = kMaxStopBytes});
    if (!one) return pass(one);
    wire.options.stop = {std::move(*one)};
    return {};
  }
  auto list = read_strings("stop", value, kMaxStops, kMaxStopBytes);
  if (!list) return pass(list);
  wire.options.stop = std::move(*list);
  return {};
}

Status set_logit_bias(WireRequest& wire, const json::value& value) {
  const json::object* biases = value.if_object();
  if (!biases) return wrong_type("logit_bias", "an object", value);
  if (biases->size() > kMaxBiases) {
    return invalid(fmt::format("Invalid 'logit_bias': at most {} entries.", kMaxBiases),
                   "logit_bias", "value_out_of_range");
  }
  for (const auto& [key, bias] : *biases) {
    TokenId id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) {
      return invalid("Invalid 'logit_bias': each key must be a token id.", "logit_bias",
                     "invalid_value");
    }
    const auto amount = read_number("logit_bias", bias, {.min = -100, .max = 100});
    if (!amount) return std::unexpected(amount.error());
    wire.options.sampling.logit_bias.emplace_back(id, static_cast<float>(*amount));
  }
  return {};
}

Status set_stop_token_ids(WireRequest& wire, const json::value& value) {
  auto ids = read_token_ids("stop_token_ids", value, kMaxBiases);
  if (!ids) return pass(ids);
  wire.options.sampling.stop_token_ids = std::move(*ids);
  return {};
}

Status set_allowed_token_ids(WireRequest& wire, const json::value& value) {
  auto ids = read_token_ids("allowed_token_ids", value, kMaxListedIds);
  if (!ids) return pass(ids);
  if (ids->empty()) {
    return invalid("Invalid 'allowed_token_ids': at least one id.", "allowed_token_ids",
                   "value_out_of_range");
  }
  wire.options.sampling.allowed_token_ids = std::move(*ids);
  return {};
}

Status set_bad_words(WireRequest& wire, const json::value& value) {
  auto words = read_strings("bad_words", value, kMaxBiases, kMaxStopBytes);
  if (!words) return pass(words);
  wire.options.bad_words = std::move(*words);
  return {};
}

Status set_stream_options(WireRequest& wire, const json::value& value) {
  const json::object* options = value.if_object();
  if (!options) return wrong_type("stream_options", "an object", value);
  wire.has_stream_options = true;
  const auto read = [&](std::string_view key, bool& target) -> Status {
    const json::value* member = options->if_contains(key);
    if (!member || member->is_null()) return {};
    const auto given = read_boolean(fmt::format("stream_options.{}", key), *member);
    if (!given) return std::unexpected(given.error());
    target = *given;
    return {};
  };
  if (auto ok = read("include_usage", wire.include_usage); !ok) return ok;
  return read("continuous_usage_stats", wire.continuous_usage);
}

Status set_n(WireRequest& wire, std::int64_t n, std::string_view name) {
  if (n <= wire.max_choices) return {};
  return invalid(fmt::format("Invalid '{}': at most {} here.", name, wire.max_choices),
                 std::string(name), "value_out_of_range");
}

// Shorthand for the setters.
using W = WireRequest;
SamplingParams& sampling(W& wire) {
  return wire.options.sampling;
}

const std::array kFields = {
    Field<W>{"stream", [](W& w, bool v) { w.stream = v; }, {}, "false", "answer by server-sent events"},
    Field<W>{"stream_options", &set_stream_options, {}, "", "include_usage, continuous_usage_stats"},
    Field<W>{"max_tokens", [](W& w, std::int64_t v) {
               w.options.max_tokens = static_cast<int>(v);
             }, {.min = 1, .max = kMaxInt}, "", "tokens to generate at most"},
    Field<W>{"temperature", [](W& w, double v) { sampling(w).temperature = static_cast<float>(v); },
             {.min = 0, .max = 2}, "model's, else 1", "0 is greedy"},
    Field<W>{"top_p", [](W& w, double v) { sampling(w).top_p = static_cast<float>(v); },
             {.min = 0, .max = 1, .open_min = true}, "model's, else 1", "nucleus"},
    Field<W>{"top_k", [](W& w, std::int64_t v) {
               sampling(w).top_k = v < 0 ? 0 : static_cast<int>(v);
             }, {.min = -1, .max = 1 << 20}, "model's, else 0", "0 or -1: off"},
    Field<W>{"min_p", [](W& w, double v) { sampling(w).min_p = static_cast<float>(v); },
             {.min = 0, .max = 1}, "0", "of the likeliest token's probability"},
    Field<W>{"repetition_penalty",
             [](W& w, double v) { sampling(w).repetition_penalty = static_cast<float>(v); },
             {.min = 0, .max = 10, .open_min = true}, "model's, else 1", "over prompt and output"},
    Field<W>{"presence_penalty",
             [](W& w, double v) { sampling(w).presence_penalty = static_cast<float>(v); },
             {.min = -2, .max = 2}, "0", "over the output"},
    Field<W>{"frequency_penalty",
             [](W& w, double v) { sampling(w).frequency_penalty = static_cast<float>(v); },
             {.min = -2, .max = 2}, "0", "over the output"},
    Field<W>{"seed", [](W& w, std::int64_t v) { sampling(w).seed = static_cast<std::uint64_t>(v); },
             {.min = -0x1p63, .max = 0x1p63}, "", "the same seed gives the same tokens"},
    Field<W>{"n", [](W& w, std::int64_t v) { w.options.n = static_cast<int>(v); },
             {.min = 1, .max = 128}, "1", "choices"},
    Field<W>{"stop", &set_stop, {}, "", "a string or up to 4"},
    Field<W>{"stop_token_ids", &set_stop_token_ids, {}, "", "tokens that end the answer"},
    Field<W>{"include_stop_str_in_output", [](W& w, bool v) { w.options.include_stop = v; }, {},
             "false", "keep what stopped the answer"},
    Field<W>{"skip_special_tokens", [](W& w, bool v) { w.options.skip_special_tokens = v; }, {},
             "true", "leave control tokens out of the text"},
    Field<W>{"ignore_eos", [](W& w, bool v) { sampling(w).ignore_eos = v; }, {}, "false",
             "go on after the end-of-sequence token"},
    Field<W>{"min_tokens", [](W& w, std::int64_t v) { sampling(w).min_tokens = static_cast<int>(v); },
             {.min = 0, .max = kMaxInt}, "0", "no stop before this many"},
    Field<W>{"logit_bias", &set_logit_bias, {}, "", "token id to -100…100"},
    Field<W>{"allowed_token_ids", &set_allowed_token_ids, {}, "", "all others are impossible"},
    Field<W>{"bad_words", &set_bad_words, {}, "", "single-token words never to say"},
    Field<W>{"truncate_prompt_tokens",
             [](W& w, std::int64_t v) { w.options.truncate_prompt_tokens = static_cast<int>(v); },
             {.min = 1, .max = kMaxInt}, "", "keep only the last so many"},
    Field<W>{"return_token_ids", [](W& w, bool v) { w.return_token_ids = v; }, {}, "false",
             "prompt_token_ids and token_ids in the answer"},
    Field<W>{"priority", [](W& w, std::int64_t v) { w.options.priority = static_cast<int>(v); },
             {.min = -kMaxInt, .max = kMaxInt}, "0", "lower is sooner"},
    Field<W>{"request_id", [](W& w, std::string v) { w.options.id = std::move(v); },
             {.min = 1, .max = kMaxIdBytes}, "x-request-id", "part of the answer's id"},
    Field<W>{"cache_salt", [](W& w, std::string v) { w.options.cache_salt = std::move(v); },
             {.min = 1, .max = 256}, "", "shares cached prompts only with the same salt"},
    Field<W>{"timeout", [](W& w, double v) {
               w.options.deadline = w.options.arrival + std::chrono::duration_cast<Clock::duration>(
                                                            std::chrono::duration<double>(v));
             }, {.min = 0, .max = kMaxTimeoutSeconds, .open_min = true}, "", "seconds for the whole answer"},
    // Accepted where it asks for nothing: see refusals().
    Field<W>{"best_of", [](W&, std::int64_t) {}, {.min = 1, .max = 128}, "1", "only 1"},
};

bool always(const json::value&) {
  return true;
}
bool when_true(const json::value& v) {
  return !v.is_bool() || v.as_bool();
}
bool when_above_one(const json::value& v) {
  return !v.is_int64() || v.as_int64() > 1;
}
bool when_not_empty(const json::value& v) {
  if (v.is_string()) return !v.as_string().empty();
  if (v.is_array()) return !v.as_array().empty();
  return true;
}
bool when_not_text(const json::value& v) {
  const json::object* format = v.if_object();
  const json::value* type = format ? format->if_contains("type") : nullptr;
  return !type || !type->is_string() || type->as_string() != "text";
}
bool when_not_only_text(const json::value& v) {
  if (!v.is_array()) return true;
  for (const json::value& kind : v.as_array()) {
    if (!kind.is_string() || kind.as_string() != "text") return true;
  }
  return false;
}

constexpr std::string_view kNoGrammars = "the output cannot be constrained to a form yet";
constexpr std::string_view kOperators = "templates and prompts come from the model only";

constexpr std::array kRefusals = {
    Refusal{"response_format", when_not_text, kNoGrammars},
    Refusal{"structured_outputs", always, kNoGrammars},
    Refusal{"guided_json", always, kNoGrammars},
    Refusal{"guided_regex", always, kNoGrammars},
    Refusal{"guided_choice", always, kNoGrammars},
    Refusal{"guided_grammar", always, kNoGrammars},
    Refusal{"grammar", always, kNoGrammars},
    Refusal{"json_schema", always, kNoGrammars},
    Refusal{"functions", when_not_empty, "use 'tools'"},
    Refusal{"audio", always, "this server answers with text"},
    Refusal{"modalities", when_not_only_text, "this server answers with text"},
    Refusal{"web_search_options", always, "there is no web search"},
    Refusal{"documents", when_not_empty, "put them into the messages"},
    Refusal{"best_of", when_above_one, "only 1"},
    Refusal{"suffix", when_not_empty, "text cannot be inserted"},
    Refusal{"use_beam_search", when_true, "there is no beam search"},
    Refusal{"prompt_logprobs", always, "they are switched off"},
    Refusal{"chat_template", always, kOperators},
    Refusal{"chat_template_kwargs", always, kOperators},
    Refusal{"prompt_embeds", always, kOperators},
    Refusal{"n_discard", always, "the context is never shifted"},
    Refusal{"logits_processors", always, "no code comes with requests"},
};

Result<std::optional<double>> positive_header(const net::HttpRequest& http, std::string_view name) {
  const std::string_view text = http.header(name);
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool ok = error == std::errc() && end == text.data() + text.size() &&
                  std::isfinite(value) && value > 0 && value <= kMaxTimeoutSeconds * 1000;
  if (ok) return value;
  return invalid(fmt::format("Invalid header '{}': expected milliseconds above 0 and at most {}.",
                             name, kMaxTimeoutSeconds * 1000),
                 std::string(name), "invalid_value");
}

}  // namespace

std::span<const Field<WireRequest>> text_fields() {
  return kFields;
}
std::span<const Refusal> refusals() {
  return kRefusals;
}

Status check_refusals(const json::object& body) {
  for (const Refusal& refusal : kRefusals) {
    const json::value* value = body.if_contains(refusal.name);
    if (value && !value->is_null() && refusal.changes_answer(*value)) {
      return unsupported(refusal.name, refusal.why);
    }
  }
  return {};
}

Status parse_text_fields(const json::object& body, WireRequest& wire) {
  // Fields first: best_of is out of range before it is unsupported.
  if (auto ok = parse_fields(text_fields(), body, wire); !ok) return ok;
  if (auto ok = set_n(wire, wire.options.n, "n"); !ok) return ok;
  if (const json::value* best_of = body.if_contains("best_of"); best_of && best_of->is_int64()) {
    if (auto ok = set_n(wire, best_of->as_int64(), "best_of"); !ok) return ok;
  }
  if (auto ok = check_refusals(body); !ok) return ok;
  if (wire.has_stream_options && !wire.stream) {
    return invalid("'stream_options' is only allowed when 'stream' is true.", "stream_options",
                   "invalid_value");
  }
  if (wire.options.max_tokens && wire.options.sampling.min_tokens > *wire.options.max_tokens) {
    return invalid("'min_tokens' is above 'max_tokens'.", "min_tokens", "value_out_of_range");
  }
  return {};
}

Status apply_headers(const net::HttpRequest& http, serving::TextOptions& options) {
  const auto ttft = positive_header(http, "x-slo-ttft-ms");
  if (!ttft) return std::unexpected(ttft.error());
  const auto tpot = positive_header(http, "x-slo-tpot-ms");
  if (!tpot) return std::unexpected(tpot.error());
  const auto timeout = positive_header(http, "x-request-timeout-ms");
  if (!timeout) return std::unexpected(timeout.error());
  options.slo_ttft_seconds = ttft->value_or(0) / 1000;
  options.slo_tpot_seconds = tpot->value_or(0) / 1000;
  options.arrival = http.arrival;
  if (*timeout) {
    options.deadline = http.arrival + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double, std::milli>(**timeout));
  }
  options.tenant = http.header("x-gateway-inference-fairness-id");
  if (options.tenant.size() > 256) {
    return invalid("Invalid header 'x-gateway-inference-fairness-id': at most 256 bytes.",
                   "x-gateway-inference-fairness-id", "invalid_value");
  }
  options.id = http.request_id;
  return {};
}

Result<std::vector<TokenId>> read_token_ids(std::string_view name, const json::value& value,
                                            std::size_t max_items) {
  const json::array* list = value.if_array();
  if (!list) return wrong_type(name, "an array of token ids", value);
  if (list->size() > max_items) {
    return invalid(fmt::format("Invalid '{}': at most {} items.", name, max_items),
                   std::string(name), "value_out_of_range");
  }
  std::vector<TokenId> ids;
  ids.reserve(list->size());
  for (const json::value& item : *list) {
    const auto id = read_integer(name, item, {.min = 0, .max = kMaxInt});
    if (!id) return std::unexpected(id.error());
    ids.push_back(static_cast<TokenId>(*id));
  }
  return ids;
}

Result<std::vector<std::string>> read_strings(std::string_view name, const json::value& value,
                                              std::size_t max_items, std::size_t max_bytes) {
  const json::array* list = value.if_array();
  if (!list) return wrong_type(name, "a string or an array of strings", value);
  if (list->size() > max_items) {
    return invalid(fmt::format("Invalid '{}': at most {} items.", name, max_items),
                   std::string(name), "value_out_of_range");
  }
  std::vector<std::string> strings;
  for (const json::value& item : *list) {
    auto text = read_string(name, item, {.min = 1, .max = static_cast<double>(max_bytes)});
    if (!text) return pass(text);
    strings.push_back(std::move(*text));
  }
  return strings;
}

}  // namespace millrace::api
