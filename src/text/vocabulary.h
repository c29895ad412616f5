// The tokens of a model: their spelling in the file, the bytes they stand for, and what they are.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace millrace::text {

inline constexpr std::size_t kMaxVocabulary = std::size_t{1} << 21;
inline constexpr std::size_t kMaxMerges = std::size_t{1} << 22;

// One string an id, in one piece of memory.
class TokenStrings {
 public:
  void append(std::string_view text) {
    arena_ += text;
    ends_.push_back(static_cast<std::uint32_t>(arena_.size()));
  }
  void reserve(std::size_t count, std::size_t bytes) {
    ends_.reserve(count);
    arena_.reserve(bytes);
  }
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(arena_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string arena_;
  std::vector<std::uint32_t> ends_;
};

// String → id by open addressing. Strings of up to 16 bytes lie in the table itself; longer ones
// belong to a TokenStrings that outlives the index and does not change any more.
class StringIndex {
 public:
  explicit StringIndex(std::size_t num_strings = 0);
  void insert(std::string_view text, TokenId id);  // a later id replaces an earlier one
  TokenId find(std::string_view text) const;       // -1: none

 private:
  struct Key {
    std::uint64_t low = 0;  // the string's bytes (ShortKey), or its hash and its address
    std::uint64_t high = 0;
    std::size_t home = 0;
  };
  struct Slot {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::uint32_t size = 0;
    TokenId id = -1;
    bool holds(const Key& key, std::string_view text) const;
  };
  Key key_of(std::string_view text) const;

  std::vector<Slot> slots_;
  std::uint64_t multiplier_;
  int shift_;
};

enum class TokenKind : std::uint8_t {
  normal,
  unknown,       // stands for what the vocabulary lacks
  control,       // <s>, <|im_end|>: hidden from users, never made by merges
  user_defined,  // found in the text before anything else
  unused,
  byte,  // <0x0A>
};

class Vocabulary {
 public:
  // By id; both lists have the same length. An empty spelling is a gap. too_large over the limits.
  static Result<Vocabulary> build(std::span<const std::string_view> spellings,
                                  std::span<const std::string> bytes, std::vector<TokenKind> kinds);

  std::size_t size() const { return kinds_.size(); }
  bool contains(TokenId id) const { return id >= 0 && static_cast<std::size_t>(id) < size(); }
  // The id must be in range for these three.
  std::string_view spelling(TokenId id) const { return spellings_[static_cast<std::size_t>(id)]; }
  std::string_view bytes(TokenId id) const { return bytes_[static_cast<std::size_t>(id)]; }
  TokenKind kind(TokenId id) const { return kinds_[static_cast<std::size_t>(id)]; }

  TokenId find(std::string_view spelling) const { return index_.find(spelling); }  // -1: none
  std::size_t longest_token_bytes() const { return longest_token_bytes_; }

 private:
  TokenStrings spellings_;
  TokenStrings bytes_;
  std::vector<TokenKind> kinds_;
  StringIndex index_;
  std::size_t longest_token_bytes_ = 0;
};

}  // namespace millrace::text
