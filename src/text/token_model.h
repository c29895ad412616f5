// TokenModel: the words of a text to token ids, by a model's own algorithm. Byte-pair encoding is
// one (bpe.h); WordPiece and Unigram would be others.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace millrace::text {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of each word. Words are valid UTF-8, not empty, and independent of each other,
  // except that byte-level models take any bytes. O(n log n) in a word's bytes. Thread-safe.
  virtual void encode(std::span<const std::string_view> words, std::vector<TokenId>& out) const = 0;
};

}  // namespace millrace::text
