// TextModel: the text side of a model: its tokenizer and its chat template, built from the files
// that came with the weights. Immutable and thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "servable/description.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace millrace::serving {

struct ChatMessage {
  std::string role{};
  std::string content{};
  json::object extra{};  // name, tool_calls, tool_call_id as given; templates may look at them
};

struct ChatPrompt {
  std::vector<ChatMessage> messages{};
  json::array tools{};
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the prompt ends inside the last message
};

class TextModel {
 public:
  // invalid_argument when the files make no tokenizer. A broken chat template is kept as an error
  // that each chat request gets: completions still work.
  static Result<std::unique_ptr<TextModel>> build(const TextAssets& assets);
  TextModel(std::unique_ptr<text::Tokenizer> tokenizer, Result<text::ChatTemplate> chat_template)
      : tokenizer_(std::move(tokenizer)), template_(std::move(chat_template)) {}

  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  bool has_chat_template() const { return template_.has_value(); }
  std::string token_text(TokenId id) const { return std::string(tokenizer_->token_bytes(id)); }
  std::string decode(const std::vector<TokenId>& ids) const {  // special tokens included
    return text::decode(*tokenizer_, ids, /*skip_special_tokens=*/false);
  }
  // The prompt as text, special tokens included. At most max_bytes.
  Result<std::string> render(const ChatPrompt& prompt, std::size_t max_bytes) const;

 private:
  std::string special_text(TokenId id) const;

  std::unique_ptr<text::Tokenizer> tokenizer_;
  Result<text::ChatTemplate> template_;
};

}  // namespace millrace::serving
