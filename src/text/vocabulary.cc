#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <random>

#include "text/hash.h"
#include "text/unicode.h"

namespace millrace::text {
namespace {

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

std::size_t StringIndex::home(std::string_view text) const {
  return static_cast<std::size_t>(hash_string(text, multiplier_) * multiplier_ >> shift_);
}

void StringIndex::insert(std::string_view text, TokenId id) {
  for (std::size_t i = home(text);; i = (i + 1) & (slots_.size() - 1)) {
    Slot& slot = slots_[i];
    if (slot.id < 0 || std::string_view(slot.text, slot.size) == text) {
      slot = {text.data(), static_cast<std::uint32_t>(text.size()), id};
      return;
    }
  }
}

TokenId StringIndex::find(std::string_view text) const {
  for (std::size_t i = home(text);; i = (i + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[i];
    if (slot.id < 0 || std::string_view(slot.text, slot.size) == text) return slot.id;
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
