#include "loadgen/prompts.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <string_view>

namespace millrace::loadgen {
namespace {

constexpr std::string_view kOpening = "Tell";

constexpr std::array<std::string_view, 64> kWords = {
    "a",     "of",      "the",   "and",    "water", "light",  "house",  "green", "over",   "under",
    "time",  "world",   "river", "stone",  "small", "large",  "first",  "last",  "hand",   "head",
    "year",  "day",     "night", "good",   "long",  "little", "old",    "new",   "great",  "high",
    "right", "left",    "place", "work",   "life",  "part",   "case",   "week",  "point",  "number",
    "group", "problem", "fact",  "people", "name",  "city",   "street", "door",  "window", "table",
    "paper", "book",    "story", "music",  "field", "horse",  "ship",   "north", "south",  "east",
    "west",  "wind",    "fire",  "snow"};

}  // namespace

// Finds each word's cost. A group that costs one token a word, as usual, is settled at once; any
// other is halved.
class PromptMaker::Calibration {
 public:
  Calibration(const CountTokens& count, PromptMaker& maker) : count_(count), maker_(maker) {}

  Status run() {
    const auto base = count_(std::string(kOpening));
    if (!base) return std::unexpected(base.error());
    maker_.opening_tokens_ = *base;
    if (Status done = settle(kWords); !done) return done;
    std::ranges::stable_sort(maker_.words_, {}, &Piece::tokens);
    if (maker_.words_.empty())
      return fail(ErrorKind::unavailable, "the server counts no tokens in a prompt");
    const auto stopped = count_(std::string(kOpening) + ".");
    if (!stopped) return std::unexpected(stopped.error());
    maker_.full_stop_tokens_ = std::max(0, *stopped - *base);
    return check_sums();
  }

 private:
  Status settle(std::span<const std::string_view> words) {
    std::string text(kOpening);
    for (const std::string_view word : words) text.append(" ").append(word);
    const auto total = count_(text);
    if (!total) return std::unexpected(total.error());
    const int cost = *total - maker_.opening_tokens_;
    const int size = static_cast<int>(words.size());
    if (cost == size || size == 1) {
      for (const std::string_view word : words) {
        if (cost >= size) maker_.words_.push_back({" " + std::string(word), cost / size});
      }
      return {};
    }
    const std::size_t half = words.size() / 2;
    if (Status done = settle(words.first(half)); !done) return done;
    return settle(words.subspan(half));
  }

  Status check_sums() {
    Random random(1);
    for (const int tokens : {maker_.opening_tokens_ + 37, maker_.opening_tokens_ + 160}) {
      const Made made = maker_.make(tokens, random);
      const auto counted = count_(made.text);
      if (!counted) return std::unexpected(counted.error());
      if (*counted != made.tokens) maker_.sums_hold_ = false;
    }
    return {};
  }

  const CountTokens& count_;
  PromptMaker& maker_;
};

Result<PromptMaker> PromptMaker::calibrate(const CountTokens& count) {
  PromptMaker maker;
  if (Status done = Calibration(count, maker).run(); !done) return pass(done);
  return maker;
}

// Appends words of `tokens` in all where that is possible; returns how many were appended.
int PromptMaker::append_words(std::string& text, int tokens, Random& random) const {
  int left = tokens;
  while (left > 0) {
    // The words that still fit, and do not leave one token that no word can fill.
    const auto fits = std::ranges::upper_bound(words_, left, {}, &Piece::tokens);
    const auto count = static_cast<std::size_t>(fits - words_.begin());
    if (count == 0) break;
    const Piece& piece = words_[std::uniform_int_distribution<std::size_t>(0, count - 1)(random)];
    text += piece.text;
    left -= piece.tokens;
  }
  return tokens - left;
}

PromptMaker::Made PromptMaker::make(int tokens, Random& random, int prefix_tokens,
                                    Random& prefix) const {
  Made made{.text = std::string(kOpening), .tokens = opening_tokens_};
  made.tokens += append_words(made.text, std::min(prefix_tokens, tokens - made.tokens), prefix);
  made.tokens += append_words(made.text, tokens - made.tokens, random);
  if (full_stop_tokens_ > 0 && tokens - made.tokens == full_stop_tokens_) {
    made.text += '.';
    made.tokens += full_stop_tokens_;
  }
  return made;
}

}  // namespace millrace::loadgen
