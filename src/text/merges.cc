#include "text/merges.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "text/hash.h"

namespace millrace::text {
namespace {

// Up to this many symbols the next merge is found by looking at all pairs.
constexpr std::size_t kFewSymbols = 96;

std::size_t merge_few(const MergeTable& merges, std::span<Symbol> symbols,
                      std::span<std::uint32_t> ranks) {
  std::size_t count = symbols.size();
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == MergeTable::kNone) break;
    symbols[best] = merges.merged(ranks[best]);
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i - 1] = ranks[i];
    }
    if (best + 1 < count) ranks[best] = merges.rank(symbols[best], symbols[best + 1]);
    if (best > 0) ranks[best - 1] = merges.rank(symbols[best - 1], symbols[best]);
  }
  return count;
}

// A list of symbols linked by index, and a heap of (rank, place). A heap entry counts only while
// the pair at its place still has that rank.
class ManySymbols {
 public:
  ManySymbols(const MergeTable& merges, std::span<Symbol> symbols, std::span<std::uint32_t> ranks)
      : merges_(merges),
        symbols_(symbols),
        ranks_(ranks),
        previous_(symbols.size()),
        next_(symbols.size()) {
    const auto count = static_cast<std::uint32_t>(symbols.size());
    ranks_[count - 1] = MergeTable::kNone;
    for (std::uint32_t i = 0; i < count; ++i) {
      previous_[i] = i - 1;  // kNowhere before the first
      next_[i] = i + 1 < count ? i + 1 : kNowhere;
      if (ranks_[i] != MergeTable::kNone) heap_.push_back(entry(ranks_[i], i));
    }
    std::ranges::make_heap(heap_, std::greater<>());
  }

  std::size_t run() {
    while (!heap_.empty()) {
      std::ranges::pop_heap(heap_, std::greater<>());
      const std::uint64_t top = heap_.back();
      heap_.pop_back();
      const auto at = static_cast<std::uint32_t>(top);
      if (ranks_[at] == top >> 32) merge_at(at);
    }
    std::size_t count = 0;
    for (std::uint32_t i = 0; i != kNowhere; i = next_[i]) symbols_[count++] = symbols_[i];
    return count;
  }

 private:
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  static std::uint64_t entry(std::uint32_t rank, std::uint32_t at) {
    return std::uint64_t{rank} << 32 | at;
  }

  void merge_at(std::uint32_t at) {
    const std::uint32_t right = next_[at];
    symbols_[at] = merges_.merged(ranks_[at]);
    ranks_[right] = MergeTable::kNone;
    next_[at] = next_[right];
    if (next_[at] != kNowhere) previous_[next_[at]] = at;
    look_at(at);
    if (previous_[at] != kNowhere) look_at(previous_[at]);
  }
  void look_at(std::uint32_t at) {
    const std::uint32_t right = next_[at];
    ranks_[at] =
        right == kNowhere ? MergeTable::kNone : merges_.rank(symbols_[at], symbols_[right]);
    if (ranks_[at] == MergeTable::kNone) return;
    heap_.push_back(entry(ranks_[at], at));
    std::ranges::push_heap(heap_, std::greater<>());
  }

  const MergeTable& merges_;
  std::span<Symbol> symbols_;
  std::span<std::uint32_t> ranks_;
  std::vector<std::uint32_t> previous_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint64_t> heap_;
};

}  // namespace

MergeTable::MergeTable(std::size_t num_merges)
    : slots_(std::bit_ceil(std::max<std::size_t>(num_merges + num_merges / 2, 16)), kEmpty),
      multiplier_(random_odd_multiplier()),
      mask_(slots_.size() - 1),
      shift_(64 - std::countr_zero(slots_.size())),
      filter_shift_(shift_ - 4) {
  filter_.resize(slots_.size() * 16 / 64);
}

void MergeTable::add(Symbol left, Symbol right, std::uint32_t rank) {
  const std::uint64_t key = pair_key(left, right);
  const std::uint64_t slot = key << kRankBits | rank;
  std::size_t i = home(key);
  filter_[filter_word(key)] |= std::uint64_t{1} << (key * multiplier_ >> filter_shift_ & 63);
  while (slots_[i] != kEmpty && slots_[i] >> kRankBits != key) i = (i + 1) & mask_;
  slots_[i] = slot;
}

std::size_t apply_merges(const MergeTable& merges, std::span<Symbol> symbols,
                         std::span<std::uint32_t> ranks) {
  if (symbols.size() < 2) return symbols.size();
  if (symbols.size() <= kFewSymbols) return merge_few(merges, symbols, ranks);
  return ManySymbols(merges, symbols, ranks).run();
}

}  // namespace millrace::text
