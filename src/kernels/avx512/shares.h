// How threads share the panels of a product whose time is the weights' way from memory. Each has a
// range of its own and goes through it in order: what it asks memory for early is then what it
// reads next, and equal ranges end at the same time. Who is done takes from the ends of others'.
#pragma once

#include "kernels/avx512/epilogue.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kMostThreads = 256;  // that get a range of their own

// What is left of a thread's range.
struct alignas(64) Share {
  uint64_t left;  // begin in the upper half, end in the lower

  static uint64_t packed(int begin, int end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint32_t>(end);
  }
  static int begin_of(uint64_t left) { return static_cast<int>(left >> 32); }
  static int end_of(uint64_t left) { return static_cast<int>(static_cast<uint32_t>(left)); }
};

// Panels next to each other, of one part (gated: of both), that are read side by side.
struct Bundle {
  int part, panel, count;
};

// The first panels of [begin, end) of the line, at most `most`.
inline Bundle bundle_at(const PanelLine& line, int begin, int end, int most) {
  int part = 0, first = begin;
  for (; first >= line.panels[part]; ++part) first -= line.panels[part];
  int count = end - begin < most ? end - begin : most;
  if (count > line.panels[part] - first) count = line.panels[part] - first;
  return {part, first, count};
}

// Bundles of a product to one thread.
class ShareTaker {
 public:
  ShareTaker(const PanelLine& line, Share* shares, int num_shares, int own, int most)
      : line_(line), shares_(shares), num_shares_(num_shares), own_(own), most_(most) {}

  // Of the own range, then of the others'; false when all are empty. `next` is what comes after it,
  // with a count of 0 where that is not known.
  bool take(Bundle& bundle, Bundle& next) {
    if (take_front(bundle, next)) return true;
    next.count = 0;
    for (int i = 1; i < num_shares_; ++i) {
      if (take_back(shares_[(own_ + i) % num_shares_], bundle)) return true;
    }
    return false;
  }

 private:
  // The last few of a range are taken in smaller bundles, so that threads end together.
  int wanted(int left) const { return left > most_ ? most_ : (left + 1) / 2; }

  bool take_front(Bundle& bundle, Bundle& next) {
    Share& share = shares_[own_];
    uint64_t left = __atomic_load_n(&share.left, __ATOMIC_RELAXED), after = 0;
    int begin = 0, end = 0;
    do {
      begin = Share::begin_of(left);
      end = Share::end_of(left);
      if (begin >= end) return false;
      bundle = bundle_at(line_, begin, end, wanted(end - begin));
      after = Share::packed(begin + bundle.count, end);
    } while (!__atomic_compare_exchange_n(&share.left, &left, after, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    begin += bundle.count;
    next.count = 0;
    if (begin < end) next = bundle_at(line_, begin, end, wanted(end - begin));
    return true;
  }
  // One panel: the owner may be about to take the others.
  bool take_back(Share& share, Bundle& bundle) {
    uint64_t left = __atomic_load_n(&share.left, __ATOMIC_RELAXED), after = 0;
    do {
      const int begin = Share::begin_of(left), end = Share::end_of(left);
      if (begin >= end) return false;
      bundle = bundle_at(line_, end - 1, end, 1);
      after = Share::packed(begin, end - 1);
    } while (!__atomic_compare_exchange_n(&share.left, &left, after, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return true;
  }

  const PanelLine& line_;
  Share* shares_;
  int num_shares_, own_, most_;
};

inline int num_shares(const ExecView& exec) {
  return exec.num_threads < kMostThreads ? exec.num_threads : kMostThreads;
}
inline size_t shares_bytes(const ExecView& exec) {
  return sizeof(Share) * static_cast<size_t>(num_shares(exec));
}

// Calls f(bundle, next, thread) for bundles of at most `most` panels until all are done. `scratch`:
// shares_bytes.
template <class F>
inline void share_panels(const ExecView& exec, const GemmArgs& args, int most, void* scratch,
                         const F& f) {
  const PanelLine line(args);
  const int count = num_shares(exec);
  auto* const shares = static_cast<Share*>(scratch);
  for (int i = 0; i < count; ++i) {
    const auto cut = [&](int at) {
      return static_cast<int>(static_cast<int64_t>(line.total) * at / count);
    };
    shares[i].left = Share::packed(cut(i), cut(i + 1));
  }
  parallel_for(exec, count, [&](int index, int thread) {
    ShareTaker taker(line, shares, count, index, most);
    Bundle bundle, next;
    while (taker.take(bundle, next)) f(bundle, next, thread);
  });
}

}  // namespace
}  // namespace millrace::kernels
