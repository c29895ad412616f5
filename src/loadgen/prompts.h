// Synthetic prompts of an exact number of tokens for a tokenizer that is only known by its counts:
// a fixed opening, then common English words whose cost in tokens was measured, in random order.
// Tokenizers that split at spaces (byte-level BPE with a pre-tokenizer, SentencePiece on common
// words) count such text as the sum of its parts, which `sums_hold` reports from samples.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "loadgen/lengths.h"

namespace millrace::loadgen {

// Tokens that a request with this prompt text has, chat template and special tokens included.
using CountTokens = std::function<Result<int>(const std::string& prompt)>;

class PromptMaker {
 public:
  // Asks `count` about 10 times where every word is one token, at most about 150 times.
  static Result<PromptMaker> calibrate(const CountTokens& count);

  struct Made {
    std::string text;
    int tokens = 0;
  };
  // `tokens` in all, or as near as the measured pieces allow: more when even the opening is longer,
  // else less. The first `prefix_tokens` of words come from `prefix`, the others from `random`.
  Made make(int tokens, Random& random, int prefix_tokens, Random& prefix) const;
  Made make(int tokens, Random& random) const { return make(tokens, random, 0, random); }

  int shortest() const { return opening_tokens_; }
  bool sums_hold() const { return sums_hold_; }

 private:
  struct Piece {
    std::string text;
    int tokens = 1;
  };
  class Calibration;
  int append_words(std::string& text, int tokens, Random& random) const;

  int opening_tokens_ = 1;
  std::vector<Piece> words_;  // the cheaper first
  int full_stop_tokens_ = 0;  // 0: unknown
  bool sums_hold_ = true;
};

}  // namespace millrace::loadgen
