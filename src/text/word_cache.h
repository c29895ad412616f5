// WordCache: the tokens of words met before, one 64-byte line a word, one cache a thread (1 MiB,
// shared by all tokenizers of that thread). A word may lie in either of two neighbouring lines; a
// new one replaces the older of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "text/hash.h"
#include "text/tokenizer.h"

namespace millrace::text {

class WordCache {
 public:
  static constexpr std::size_t kMaxWordBytes = 16;
  static constexpr std::size_t kMaxTokens = 10;

  struct alignas(64) Line {
    ShortKey key;
    std::uint32_t owner = 0;  // the tokenizer's serial number; 0: empty
    std::uint8_t size = 0;    // bytes of the word
    std::uint8_t num_tokens = 0;
    std::array<TokenId, kMaxTokens> tokens;

    bool holds(const ShortKey& k, std::size_t bytes, std::uint32_t tokenizer) const {
      return key == k && size == bytes && owner == tokenizer;
    }
    std::span<const TokenId> ids() const { return std::span(tokens).first(num_tokens); }
  };
  static_assert(sizeof(Line) == 64);

  static WordCache& of_this_thread() {
    thread_local WordCache cache;
    return cache;
  }
  // The only lines that may hold the word; 1 to kMaxWordBytes bytes. The newer one is first.
  using Pair = std::array<Line, 2>;
  Pair& pair(const ShortKey& key, std::uint32_t owner) {
    const std::uint64_t hash = mix(mix(key.low ^ owner, multiplier_) ^ key.high, multiplier_);
    return pairs_[static_cast<std::size_t>(hash * multiplier_ >> (64 - kPairBits))];
  }
  static void fill(Pair& pair, const ShortKey& key, std::size_t bytes, std::uint32_t owner,
                   std::span<const TokenId> ids) {
    if (ids.size() > kMaxTokens) return;
    pair[1] = pair[0];
    Line& line = pair[0];
    line.key = key;
    line.owner = owner;
    line.size = static_cast<std::uint8_t>(bytes);
    line.num_tokens = static_cast<std::uint8_t>(ids.size());
    std::ranges::copy(ids, line.tokens.begin());
  }

 private:
  static constexpr int kPairBits = 13;
  std::unique_ptr<Pair[]> pairs_ = std::make_unique<Pair[]>(std::size_t{1} << kPairBits);
  std::uint64_t multiplier_ = random_odd_multiplier();
};

}  // namespace millrace::text
