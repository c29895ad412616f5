// Some rows, up to four tiles of them: what counts is the weights' way from memory and the work of
// widening them, so both go on while the tiles multiply.
//
//   x, once a call:   bf16 rows, shared by all parts and threads
//   threads:          groups of panels, as many side by side as there are registers for sums: four
//                     of up to 16 rows, two of up to 32, else one
//     for each 64 k:  of each panel the next 64 k are widened into a ring (L1), lines further on
//                     are asked for, and the B tiles that were widened a step ago are multiplied
//     last            sums to the epilogue (finish.h); the first 64 k of the next group are widened
//                     by then
//
// A B tile must not be loaded right after it was stored: the load waits until the store has left
// for L1. A step later that has long happened.
#include "kernels/amx/finish.h"
#include "kernels/amx/gemm.h"
#include "kernels/amx/pairs.h"
#include "kernels/amx/rows.h"
#include "kernels/amx/tile.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

constexpr size_t kTile = 1024;
constexpr int kMostPanels = 4;
constexpr size_t kRingBytes = 2 * kMostPanels * 2 * kTile;  // [turn][panel][32 k] B tiles
constexpr size_t kPairSums = 4 * kTile;                     // [panel][32 rows][16]
constexpr size_t kThreadBytes = kRingBytes + 2 * kPairSums;

// Panels that are multiplied side by side; all of one kind.
struct Group {
  DType kind = DType::f32;
  int panels = 0;
  const uint8_t* panel[kMostPanels] = {};
  int num_pairs = 0;
  Pair pairs[2] = {};
};

// The pairs of a call as groups, each known before the one ahead of it is done.
struct GroupTaker {
  const GemmArgs& args;
  const PairList& pairs;
  PairQueue::Taker taker;
  int most_pairs, pending;

  GroupTaker(const GemmArgs& all, const PairList& list, PairQueue& queue, int most)
      : args(all), pairs(list), taker{queue}, most_pairs(most), pending(taker.take()) {}

  DType kind_of(int pair) const { return args.parts[pairs.at(pair).part[0]].weight->kind; }
  void add(Group& group, int index) const {
    const Pair pair = pairs.at(index);
    group.pairs[group.num_pairs++] = pair;
    for (int i = 0; i < (pair.both ? 2 : 1); ++i) {
      const PackedWeight& weight = *args.parts[pair.part[i]].weight;
      group.panel[group.panels++] = with_kind(
          weight.kind, [&]<DType kind>() { return panel_at<kind>(weight, pair.panel[i]); });
    }
  }
  // No panels: there are no more.
  Group take() {
    Group group;
    if (pending < 0) return group;
    group.kind = kind_of(pending);
    add(group, pending);
    pending = taker.take();
    // A pair's panels begin at an even place.
    if (most_pairs > 1 && group.panels == 2 && pending >= 0 && kind_of(pending) == group.kind) {
      add(group, pending);
      pending = taker.take();
    }
    return group;
  }
};

// Lines of a panel that are wanted some steps later; the last steps ask for the next group's.
template <DType kind>
struct PanelAhead {
  static constexpr Values values = Traits<kind>::values;
  static constexpr size_t kStep = values == Values::f32    ? kTileK * 64
                                  : values == Values::pair ? kTileK * 32
                                                           : kTileBytes<values>;
  static constexpr int kDistance = static_cast<int>((4096 + kStep - 1) / kStep);
  // A step of f32 is 4 KiB: asked for a whole one ahead, it comes half as fast.
  static constexpr size_t kFloatsAhead = 2048;
  static constexpr auto kHint = values == Values::f32 ? _MM_HINT_T0 : _MM_HINT_T1;

  size_t all_values, scales_a_step;
  int steps;

  explicit PanelAhead(int k)
      : all_values(values_bytes<kind>(k)), steps(static_cast<int>(padded_k(k)) / kTileK) {
    scales_a_step = scales_bytes<kind>(k) / static_cast<size_t>(steps);
  }
  // What is wanted of a panel kDistance steps after `step`: asks for its part i of 16.
  struct Lines {
    const uint8_t* values;
    const uint8_t* scales;

    void operator()(int i) const {
      constexpr int lines = static_cast<int>(kStep / 64);
#ifndef __SANITIZE_ADDRESS__  // g++ finds nothing to unroll there and warns
#pragma GCC unroll 16
#endif
      for (int line = (i * lines + 15) / 16; line < ((i + 1) * lines + 15) / 16; ++line) {
        _mm_prefetch(values + 64 * line, kHint);
      }
      if (i == 0 && Traits<kind>::scales != Scales::none) _mm_prefetch(scales, _MM_HINT_T1);
    }
  };
  Lines lines(const uint8_t* panel, const uint8_t* next, int step) const {
    if constexpr (values == Values::f32) {  // the next 64 k are widened meanwhile
      const uint8_t* at = panel + static_cast<size_t>(step + 1) * kStep + kFloatsAhead;
      asm("" : "+r"(at));
      return {at, at};
    }
    step += kDistance;
    const uint8_t* of = step < steps ? panel : next;
    if (of == nullptr) of = panel;
    const auto at = static_cast<size_t>(step < steps ? step : step - steps);
    Lines lines = {of + at * kStep, of + all_values + at * scales_a_step};
    asm("" : "+r"(lines.values));  // one base, as in widen_tile
    return lines;
  }
};

// The tiles 64 k of a panel, to be multiplied: where they were widened, or lie.
template <DType kind>
const uint8_t* tiles_of(const uint8_t* panel, int step, const uint8_t* widened) {
  return kind == DType::bf16 ? panel + static_cast<size_t>(step) * 2 * kTile : widened;
}

// The intrinsics want register numbers as literals.
template <int sum, int a, int b>
void dot() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(a), "i"(b));
}

// 64 k of all rows and one panel. The sums of panel p are in registers p·rows, p·rows + 1, …; A
// goes to 4 and 5, B to 6 and 7.
template <int panel, int rows>
void multiply_step(const uint8_t* a, size_t a_stride, const uint8_t* b) {
  constexpr int first = panel * rows;
  const size_t tile = 16 * a_stride;
  if constexpr (rows == 1) {
    if constexpr (panel == 0) {
      _tile_loadd(4, a, a_stride);
      _tile_loadd(5, a + 64, a_stride);
    }
    _tile_loadd(6, b, 64);
    dot<first, 4, 6>();
    _tile_loadd(7, b + kTile, 64);
    dot<first, 5, 7>();
  } else {
    for (int h = 0; h < 2; ++h, a += 64, b += kTile) {
      _tile_loadd(6, b, 64);
      _tile_loadd(4, a, a_stride);
      dot<first, 4, 6>();
      _tile_loadd(5, a + tile, a_stride);
      dot<first + 1, 5, 6>();
      if constexpr (rows > 2) {
        _tile_loadd(4, a + 2 * tile, a_stride);
        dot<first + 2, 4, 6>();
      }
      if constexpr (rows > 3) {
        _tile_loadd(5, a + 3 * tile, a_stride);
        dot<first + 3, 5, 6>();
      }
    }
  }
}

// 32 k, half `half` of 64, of two tiles of rows and two panels: A is loaded once for both.
template <int half>
void multiply_square(const uint8_t* a, size_t a_stride, const uint8_t* b0, const uint8_t* b1) {
  a += 64 * half;
  _tile_loadd(4, a, a_stride);
  _tile_loadd(6, b0 + half * kTile, 64);
  dot<0, 4, 6>();
  _tile_loadd(5, a + 16 * a_stride, a_stride);
  dot<1, 5, 6>();
  _tile_loadd(7, b1 + half * kTile, 64);
  dot<2, 4, 7>();
  dot<3, 5, 7>();
}

// Stores the sums of `panels` panels: pairs of them as the epilogue wants them, [pair][32 rows of
// x][panel][32][16].
template <int panels, int rows>
void store_sums(uint8_t* to) {
  const auto at = [&](int panel, int row) {
    return to + static_cast<size_t>(panel / 2 * (rows + 1) / 2 + row / 2) * kPairSums +
           static_cast<size_t>(panel % 2 * 2 + row % 2) * kTile;
  };
  _tile_stored(0, at(0, 0), 64);
  if constexpr (rows * panels > 1) _tile_stored(1, at(1 / rows, 1 % rows), 64);
  if constexpr (rows * panels > 2) _tile_stored(2, at(2 / rows, 2 % rows), 64);
  if constexpr (rows * panels > 3) _tile_stored(3, at(3 / rows, 3 % rows), 64);
}

// Where B tiles are widened, and how far that is.
struct Ring {
  uint8_t* tiles;          // [turn][panel][2]
  int turn = 0;            // of those that are multiplied next
  bool is_primed = false;  // they are there already

  uint8_t* at(int which, int panel) const {
    return tiles + static_cast<size_t>(which * kMostPanels + panel) * 2 * kTile;
  }
};

template <DType kind, int rows, int panels>
struct Stream {
  const uint8_t* a;
  size_t a_stride;
  int k;
  Ring& ring;

  template <class Between>
  void widen(const uint8_t* panel, int step, int turn, int p, const Between& between) const {
    if constexpr (kind == DType::bf16) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) between(i);
    } else {
      widen_tile<kind>(panel, k, step, ring.at(turn, p), between);
    }
  }

  // The first tiles of the group's panels from `first` on, unless the ring has them.
  void prime(const Group& group, int first) const {
    for (int p = 0; p < panels && !ring.is_primed; ++p) {
      widen(group.panel[first + p], 0, ring.turn, p, [](int) {});
    }
  }
  // Multiplies these panels, and primes the ring with the next group's where it is given.
  void run(const Group& group, int first, const Group* next, uint8_t* sums) const {
    prime(group, first);
    ring.is_primed = next != nullptr;
    const PanelAhead<kind> ahead(k);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    const uint8_t* at = a;
    for (int t = 0; t < ahead.steps; ++t, at += 128) {
      const int turn = ring.turn;
      const bool last = t + 1 == ahead.steps;
      const auto panel = [&]<int p>() {
        if constexpr (p < panels) {
          const uint8_t* from = group.panel[first + p];
          const uint8_t* behind = next != nullptr ? next->panel[first + p] : nullptr;
          const uint8_t* wanted = last ? behind : from;
          if (wanted != nullptr) {
            widen(wanted, last ? 0 : t + 1, 1 - turn, p, ahead.lines(from, behind, t));
          }
          const auto tiles = [&](int which) {
            return tiles_of<kind>(group.panel[first + which], t, ring.at(turn, which));
          };
          if constexpr (rows == 2 && panels == 2) {
            multiply_square<p>(at, a_stride, tiles(0), tiles(1));
          } else {
            multiply_step<p, rows>(at, a_stride, tiles(p));
          }
        }
      };
      panel.template operator()<0>();
      panel.template operator()<1>();
      panel.template operator()<2>();
      panel.template operator()<3>();
      ring.turn = 1 - turn;
    }
    store_sums<panels, rows>(sums);
  }
};

// The group's sums, [pair][32 rows of x][2 panels][32][16].
template <DType kind, int rows>
struct GroupRun {
  const Activations& x;
  int k;
  Ring& ring;
  uint8_t* sums;

  template <int panels>
  Stream<kind, rows, panels> stream() const {
    return {x.rows_for(kind), operand_stride(k), k, ring};
  }
  template <int panels>
  void side_by_side(const Group& group, const Group& next) const {
    const bool alike = next.panels == panels && next.kind == kind;
    stream<panels>().run(group, 0, alike ? &next : nullptr, sums);
  }
  void one_by_one(const Group& group) const {
    for (int p = 0; p < group.panels; ++p) {
      stream<1>().run(group, p, nullptr, sums + static_cast<size_t>(p) * 2 * kTile);
    }
  }
  void run(const Group& group, const Group& next) const {
    if constexpr (rows > 2) {
      one_by_one(group);
    } else if constexpr (rows == 2) {
      group.panels == 2 ? side_by_side<2>(group, next) : side_by_side<1>(group, next);
    } else {
      switch (group.panels) {
        case 1:
          return side_by_side<1>(group, next);
        case 2:
          return side_by_side<2>(group, next);
        case 3:
          return side_by_side<3>(group, next);
        default:
          return side_by_side<4>(group, next);
      }
    }
  }
};

template <int rows>
void multiply_groups(const GemmArgs& args, const PairList& pairs, const Activations& x,
                     PairQueue& queue, uint8_t* own) {
  GroupTaker taker(args, pairs, queue, rows == 1 ? 2 : 1);
  uint8_t* const sums = own + kRingBytes;
  Ring ring = {.tiles = own};
  Group next = taker.take();
  while (next.panels > 0) {
    const Group group = next;
    next = taker.take();
    with_kind(group.kind,
              [&]<DType kind>() { GroupRun<kind, rows>{x, args.k, ring, sums}.run(group, next); });
    for (int i = 0; i < group.num_pairs; ++i) {
      Finisher finisher;
      finisher.begin(args, group.pairs[i], pairs.gated);
      for (int block = 0; block < (rows + 1) / 2; ++block) {
        const size_t at = static_cast<size_t>(i * ((rows + 1) / 2) + block) * kPairSums;
        finisher.start(reinterpret_cast<const float*>(sums + at), 1);
        finisher.rest();
      }
    }
  }
}

}  // namespace

namespace amx {

size_t stream_scratch(const ExecView& exec, const GemmArgs& args) {
  return 2 * activation_bytes(args.m, args.k) +
         kThreadBytes * static_cast<size_t>(exec.num_threads);
}

void multiply_stream(const ExecView& exec, const GemmArgs& args) {
  auto* const shared = static_cast<uint8_t*>(exec.scratch);
  const size_t bytes = activation_bytes(args.m, args.k);
  const Activations x = activations_of(exec, args, shared, bytes);
  uint8_t* const own = shared + 2 * bytes;
  const PairList pairs(args);
  PairQueue queue = {0, pairs.count, 2, exec.num_threads};
  parallel_for(exec, exec.num_threads, [&](int, int thread) {
    uint8_t* const at = own + static_cast<size_t>(thread) * kThreadBytes;
    use_tiles_of(args.m < 16 ? args.m : 16);
    switch ((args.m + 15) / 16) {
      case 1:
        multiply_groups<1>(args, pairs, x, queue, at);
        break;
      case 2:
        multiply_groups<2>(args, pairs, x, queue, at);
        break;
      case 3:
        multiply_groups<3>(args, pairs, x, queue, at);
        break;
      default:
        multiply_groups<4>(args, pairs, x, queue, at);
    }
    _tile_release();
    _mm_sfence();
  });
}

}  // namespace amx
}  // namespace millrace::kernels
