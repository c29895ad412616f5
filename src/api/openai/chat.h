// POST /v1/chat/completions
#pragma once

#include <memory>
#include <span>

#include "api/context.h"
#include "api/openai/answer.h"
#include "api/openai/text_fields.h"
#include "base/json.h"
#include "net/http_types.h"

namespace millrace::api {

struct ChatWire {
  WireRequest& wire;
  serving::ChatPrompt prompt{};
  bool logprobs = false;
  int top_logprobs = 0;
  bool tools_hidden = false;  // tool_choice "none": the template does not see them
};

std::span<const Field<ChatWire>> chat_fields();
// The fields of chat alone, and what ties them together.
Status parse_chat_fields(const json::object& body, ChatWire& chat);

class ChatFormat final : public AnswerFormat {
 public:
  ChatFormat(AnswerHead head, int num_choices);
  void append_events(std::string& out, const serving::TextDelta& delta,
                     const TokenUsage& usage) override;

 protected:
  void write_choice(JsonWriter& json, int index, const CollectedChoice& choice) const override;

 private:
  void write_logprobs(JsonWriter& json, const std::vector<serving::OutputToken>& tokens) const;
  std::vector<bool> has_role_;  // by choice: the chunk with the role is out
};

void post_chat(const ApiContext& context, const net::HttpRequest& http,
               std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
