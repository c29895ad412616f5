#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

#include "text/hash.h"
#include "text/unicode.h"

namespace millrace::text {
namespace {

constexpr std::size_t kShortBytes = 16;  // what ShortKey can hold
constexpr std::size_t kMaxArenaBytes = std::size_t{1} << 28;

}  // namespace

std::uint64_t random_odd_multiplier() {
  static const std::uint64_t multiplier = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32 | device()) | 1;
  }();
  return multiplier;
}

StringIndex::StringIndex(std::size_t num_strings)
    : slots_(std::bit_ceil(std::max<std::size_t>(2 * num_strings, 16))),
      multiplier_(random_odd_multiplier()),
      shift_(64 - std::countr_zero(slots_.size())) {}

StringIndex::Key StringIndex::key_of(std::string_view text) const {
  const auto home = [&](std::uint64_t hash) {
    return static_cast<std::size_t>(hash * multiplier_ >> shift_);
  };
  if (text.size() > kShortBytes) {
    const std::uint64_t hash = hash_string(text, multiplier_);
    return {hash, static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(text.data())),
            home(hash)};
  }
  if (text.empty()) return {0, 0, 0};
  const ShortKey key = short_key(text);
  return {key.low, key.high, home(mix(mix(key.low, multiplier_) ^ key.high, multiplier_))};
}

bool StringIndex::Slot::holds(const Key& key, std::string_view text) const {
  if (low != key.low || size != text.size()) return false;
  if (size <= kShortBytes) return high == key.high;
  const auto* const own = reinterpret_cast<const char*>(static_cast<std::uintptr_t>(high));
  return std::memcmp(own, text.data(), size) == 0;
}

void StringIndex::insert(std::string_view text, TokenId id) {
  const Key key = key_of(text);
  for (std::size_t i = key.home;; i = (i + 1) & (slots_.size() - 1)) {
    Slot& slot = slots_[i];
    if (slot.id < 0 || slot.holds(key, text)) {
      slot = {key.low, key.high, static_cast<std::uint32_t>(text.size()), id};
      return;
    }
  }
}

TokenId StringIndex::find(std::string_view text) const {
  const Key key = key_of(text);
  for (std::size_t i = key.home;; i = (i + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[i];
    if (slot.id < 0 || slot.holds(key, text)) return slot.id;
  }
}

Result<Vocabulary> Vocabulary::build(std::span<const std::string_view> spellings,
                                     std::span<const std::string> bytes,
                                     std::vector<TokenKind> kinds) {
  if (spellings.size() >= kMaxVocabulary) {
    return fail(ErrorKind::too_large, "more than 2097151 tokens");
  }
  std::size_t spelling_bytes = 0;
  std::size_t token_bytes = 0;
  for (std::size_t i = 0; i < spellings.size(); ++i) {
    spelling_bytes += spellings[i].size();
    if (!is_valid_utf8(spellings[i])) {
      return invalid("token " + std::to_string(i) + " is not valid UTF-8");
    }
  }
  for (const auto& text : bytes) token_bytes += text.size();
  if (spelling_bytes > kMaxArenaBytes || token_bytes > kMaxArenaBytes) {
    return fail(ErrorKind::too_large, "the tokens have more than 256 MiB");
  }
  Vocabulary out;
  out.kinds_ = std::move(kinds);
  out.spellings_.reserve(spellings.size(), spelling_bytes);
  out.bytes_.reserve(bytes.size(), token_bytes);
  for (const auto text : spellings) out.spellings_.append(text);
  for (const auto& text : bytes) {
    out.bytes_.append(text);
    out.longest_token_bytes_ = std::max(out.longest_token_bytes_, text.size());
  }
  out.index_ = StringIndex(spellings.size());
  for (std::size_t i = 0; i < spellings.size(); ++i) {
    if (!spellings[i].empty()) out.index_.insert(out.spellings_[i], static_cast<TokenId>(i));
  }
  return out;
}

}  // namespace millrace::text
