// Panels go two by two: the pairs of a call, and how threads share them.
#pragma once

#include "kernels/avx512/decode.h"
#include "kernels/avx512/epilogue.h"

namespace millrace::kernels {
namespace {

// What a pair of panels is made of.
struct Pair {
  int part[2], panel[2];
  bool both;
};
Pair pair_at(const PanelRange& range, bool gated, int index) {
  if (gated) return {{0, 1}, {range.begin + index, range.begin + index}, true};
  const int panel = range.begin + 2 * index;
  return {{range.part, range.part}, {panel, panel + 1}, panel + 1 < range.end};
}

// The pairs of all parts in a line.
struct PairList {
  int count = 0;
  int panels[4] = {};
  bool gated = false;

  explicit PairList(const GemmArgs& args) : gated(is_gated(args.epilogue)) {
    for (int p = 0; p < (gated ? 1 : args.num_parts); ++p) {
      panels[p] = num_panels(args.parts[p].weight->n);
      count += pairs_of(p);
    }
  }
  int pairs_of(int part) const { return gated ? panels[part] : (panels[part] + 1) / 2; }
  Pair at(int index) const {
    int part = 0;
    for (; index >= pairs_of(part); ++part) index -= pairs_of(part);
    return pair_at({part, 0, panels[part]}, gated, index);
  }
};

// Hands the pairs out to threads, a few at a time and the last ones singly, each thread always one
// ahead of its work: what comes next may be asked for early. Threads that are late take fewer.
struct PairQueue {
  int next, count, at_once, num_threads;

  struct Taker {
    PairQueue& queue;
    int at = 0, end = 0;
    // -1 when there are no more.
    int take() {
      if (at == end) claim();
      return at < end ? at++ : -1;
    }
    void claim() {
      int first = __atomic_load_n(&queue.next, __ATOMIC_RELAXED), size = 0;
      do {
        const int left = queue.count - first;
        if (left <= 0) return;
        size = left > 2 * queue.at_once * queue.num_threads ? queue.at_once : 1;
      } while (!__atomic_compare_exchange_n(&queue.next, &first, first + size, true,
                                            __ATOMIC_RELAXED, __ATOMIC_RELAXED));
      at = first;
      end = first + size;
    }
  };
};

}  // namespace
}  // namespace millrace::kernels
