// POST /v1/completions
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "api/context.h"
#include "api/openai/answer.h"
#include "api/openai/text_fields.h"
#include "base/json.h"
#include "net/http_types.h"

namespace millrace::api {

struct CompletionWire {
  WireRequest& wire;
  std::vector<std::variant<std::string, std::vector<TokenId>>> prompts{};
  bool echo = false;
  int num_logprobs = -1;
};

std::span<const Field<CompletionWire>> completion_fields();
Status parse_completion_fields(const json::object& body, CompletionWire& completion);

class CompletionFormat final : public AnswerFormat {
 public:
  // text_offsets: by choice, where the generated text begins (after an echoed prompt), in
  // characters.
  CompletionFormat(AnswerHead head, std::vector<int> text_offsets);
  void append_events(std::string& out, const serving::TextDelta& delta,
                     const TokenUsage& usage) override;

 protected:
  void write_choice(JsonWriter& json, int index, const CollectedChoice& choice) const override;

 private:
  // Returns the offset after the last token.
  int write_logprobs(JsonWriter& json, const std::vector<serving::OutputToken>& tokens,
                     int offset) const;
  void write_prompt_ids(JsonWriter& json, int choice) const;

  std::vector<int> text_offsets_;
  std::vector<bool> begun_;  // by choice, when streaming
};

void post_completions(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond);

}  // namespace millrace::api
