#include "text/detokenizer.h"

#include "text/unicode.h"

namespace millrace::text {

std::string Detokenizer::push(TokenId token) {
  if (skip_special_tokens_ && tokenizer_.is_special(token)) return {};
  std::string_view bytes = tokenizer_.token_bytes(token);
  if (bytes.empty()) return {};
  if (first_ && tokenizer_.strips_leading_space() && bytes.front() == ' ') bytes.remove_prefix(1);
  first_ = false;

  pending_ += bytes;
  std::string text;
  std::size_t at = 0;
  while (at < pending_.size()) {
    const Utf8Step step = utf8_step(pending_, at);
    if (step.state == Utf8Step::cut_short) break;
    const auto length = static_cast<std::size_t>(step.length);
    if (step.state == Utf8Step::valid) {
      text.append(pending_, at, length);
    } else {
      text += kReplacementCharacter;
    }
    at += length;
  }
  pending_.erase(0, at);
  return text;
}

std::string Detokenizer::finish() {
  if (pending_.empty()) return {};
  pending_.clear();
  return std::string(kReplacementCharacter);
}

std::string decode(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                   bool skip_special_tokens) {
  std::string bytes;
  bool strips = tokenizer.strips_leading_space();  // only the first visible token
  for (const TokenId id : ids) {
    if (skip_special_tokens && tokenizer.is_special(id)) continue;
    std::string_view token = tokenizer.token_bytes(id);
    if (token.empty()) continue;
    if (strips && token.front() == ' ') token.remove_prefix(1);
    strips = false;
    bytes += token;
  }
  return is_valid_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

}  // namespace millrace::text
