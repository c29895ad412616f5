// TokenizerPipeline: the one Tokenizer, put together from parts: added tokens, normalizer,
// pre-tokeniser, model, and what goes around the whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pretokenize.h"
#include "text/token_model.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace millrace::text {

// What happens to a piece of text between added tokens, after the normalizer: `space` is put before
// it, where it does not start so already; and spaces become `space`.
struct PiecePreparation {
  enum class Prefix : std::uint8_t { none, first_piece, every_piece } prefix = Prefix::none;
  std::string space = " ";
};

struct TokenizerParts {
  std::unique_ptr<const Vocabulary> vocabulary;
  AddedTokens raw_tokens{};         // looked for in the text as it is
  AddedTokens normalized_tokens{};  // looked for in what the normalizer gives
  Normalizer normalizer{};
  PiecePreparation preparation{};
  Pretokenizer pretokenizer{};
  std::unique_ptr<const TokenModel> model{};
  std::vector<TokenId> before{};  // with add_special_tokens
  std::vector<TokenId> after{};
  TokenId bos_token = -1;
  TokenId eos_token = -1;
  bool strips_leading_space = false;
};

class TokenizerPipeline final : public Tokenizer {
 public:
  explicit TokenizerPipeline(TokenizerParts parts) : parts_(std::move(parts)) {}

  std::vector<TokenId> encode(std::string_view utf8, const EncodeOptions& options) const override;
  std::string_view token_bytes(TokenId id) const override;
  bool is_special(TokenId id) const override;
  std::optional<TokenId> find(std::string_view token) const override;
  int vocab_size() const override { return static_cast<int>(parts_.vocabulary->size()); }
  std::size_t longest_token_bytes() const override {
    return parts_.vocabulary->longest_token_bytes();
  }
  TokenId bos_token() const override { return parts_.bos_token; }
  TokenId eos_token() const override { return parts_.eos_token; }
  bool strips_leading_space() const override { return parts_.strips_leading_space; }

 private:
  class Encoding;
  TokenizerParts parts_;
};

}  // namespace millrace::text
