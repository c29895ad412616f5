#include "api/openai/tokenize.h"

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/openai/messages.h"
#include "api/openai/request_body.h"
#include "api/openai/schema.h"

namespace millrace::api {
namespace {

constexpr std::size_t kMaxTokens = 1 << 18;

struct TokenizeWire {
  std::optional<std::string> prompt{};
  std::optional<bool> add_special_tokens{};
  serving::ChatPrompt chat{};
  bool return_token_strs = false;
};
using T = TokenizeWire;

Status set_messages(T& wire, const json::value& value) {
  auto messages = parse_messages(value);
  if (!messages) return pass(messages);
  wire.chat.messages = std::move(*messages);
  return {};
}
Status set_tools(T& wire, const json::value& value) {
  auto tools = parse_tools(value);
  if (!tools) return pass(tools);
  wire.chat.tools = std::move(*tools);
  return {};
}

const std::array kFields = {
    Field<T>{"prompt", [](T& t, std::string v) { t.prompt = std::move(v); }, {}, "", "text"},
    Field<T>{"messages", &set_messages, {}, "", "or a conversation"},
    Field<T>{"tools", &set_tools, {}, "", "with its tools"},
    Field<T>{"add_special_tokens",
             [](T& t, bool v) { t.add_special_tokens = v; },
             {},
             "true for text, false for messages",
             "BOS and its like"},
    Field<T>{"add_generation_prompt",
             [](T& t, bool v) { t.chat.add_generation_prompt = v; },
             {},
             "true",
             "open the assistant's turn"},
    Field<T>{"continue_final_message",
             [](T& t, bool v) { t.chat.continue_final_message = v; },
             {},
             "false",
             "go on within the last message"},
    Field<T>{"return_token_strs",
             [](T& t, bool v) { t.return_token_strs = v; },
             {},
             "false",
             "the tokens as text, too"},
};

std::string tokens_body(const serving::Model& model, const std::vector<TokenId>& tokens,
                        bool with_strings) {
  std::string body;
  JsonWriter json(body);
  json.open_object().field("count", tokens.size());
  json.field("max_model_len", model.description().max_model_len).key("tokens").open_array();
  for (const TokenId id : tokens) json.integer(id);
  json.close_array();
  json.key("token_strs");
  if (with_strings) {
    json.open_array();
    for (const TokenId id : tokens) json.string(model.text()->token_text(id));
    json.close_array();
  } else {
    json.null();
  }
  json.close_object();
  return body;
}

Result<std::string> tokenize(const ApiContext& context, const net::HttpRequest& http) {
  const auto body = parse_body(http);
  if (!body) return std::unexpected(body.error());
  const auto model = find_model(context, *body);
  if (!model) return std::unexpected(model.error());
  TokenizeWire wire;
  if (auto ok = parse_fields(std::span<const Field<T>>(kFields), *body, wire); !ok) return pass(ok);
  if (auto ok = check_refusals(*body); !ok) return pass(ok);
  if (!wire.prompt && wire.chat.messages.empty()) return missing("prompt");
  if (wire.chat.continue_final_message) wire.chat.add_generation_prompt = false;
  auto tokens = wire.prompt
                    ? context.text.tokenize(**model, *wire.prompt,
                                            wire.add_special_tokens.value_or(true), "prompt")
                    : context.text.tokenize_chat(**model, wire.chat);
  if (!tokens) return pass(tokens);
  return tokens_body(**model, *tokens, wire.return_token_strs);
}

Result<std::string> detokenize(const ApiContext& context, const net::HttpRequest& http) {
  const auto body = parse_body(http);
  if (!body) return std::unexpected(body.error());
  const auto model = find_model(context, *body);
  if (!model) return std::unexpected(model.error());
  const json::value* tokens = body->if_contains("tokens");
  if (!tokens || tokens->is_null()) return missing("tokens");
  const auto ids = read_token_ids("tokens", *tokens, kMaxTokens);
  if (!ids) return std::unexpected(ids.error());
  for (const TokenId id : *ids) {
    if (id >= (*model)->description().vocab_size) {
      return invalid("Invalid 'tokens': an id is not in the vocabulary.", "tokens",
                     "value_out_of_range");
    }
  }
  std::string answer;
  JsonWriter json(answer);
  json.open_object().field("prompt", (*model)->text()->decode(*ids)).close_object();
  return answer;
}

void send(const Result<std::string>& body, net::Responder& respond) {
  respond.send(body ? net::HttpResponse{.status = 200, .body = *body}
                    : error_response(body.error()));
}

}  // namespace

void post_tokenize(const ApiContext& context, const net::HttpRequest& http,
                   std::shared_ptr<net::Responder> respond) {
  send(tokenize(context, http), *respond);
}

void post_detokenize(const ApiContext& context, const net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond) {
  send(detokenize(context, http), *respond);
}

}  // namespace millrace::api
