// Detokenizer: tokens of one sequence, one by one, to text that is always whole UTF-8 characters.
#pragma once

#include <string>

#include "text/tokenizer.h"

namespace millrace::text {

class Detokenizer {
 public:
  // The tokenizer must outlive this. Not thread-safe; one a sequence.
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special_tokens = true)
      : tokenizer_(tokenizer), skip_special_tokens_(skip_special_tokens) {}

  // The text that this token completes; an incomplete character is held back. Invalid bytes become
  // U+FFFD as soon as they cannot be the start of a character any more.
  std::string push(TokenId token);
  // What was held back, as U+FFFD. The sequence is over.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  bool first_ = true;
  std::string pending_;  // at most 3 bytes of an unfinished character
};

}  // namespace millrace::text
