// Many rows: bf16 tiles, two by two.
//
//   x, once a call:     A tiles [rows/32][k/32][2] of 16 rows × 32 k, shared by all parts and
//   threads a piece:            up to kMostPairs pairs of panels (gated: panel j of gate and of up
//   are a pair) for each run of k   (kRunTiles at most): the pair's B tiles are widened into 20 KiB
//   that stay in L1,
//     for 32 rows of x: C[2][2] += A[2][run]·B[run][2] in tiles, kept in L2 between runs
//
// B must lie in L1 and A in L2: with both in L2 the tile loads halve the speed.
#include "kernels/amx/gemm.h"
#include "kernels/amx/tile.h"
#include "kernels/amx/widen.h"
#include "kernels/avx512/epilogue.h"
#include "kernels/avx512/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kRunTiles = 10;  // bf16 tiles of 32 k: even, for widening goes by 64 k
constexpr int kMostPairs = 8;
constexpr int kMostRows = 512;
constexpr size_t kTile = 1024;
constexpr size_t kRunBytes = 2 * kRunTiles * kTile;

struct Shape {
  int rows, k_tiles;  // k_tiles of 32
  size_t a_bytes;     // of one order
  size_t thread_bytes;
};

Shape shape_of(const GemmArgs& args) {
  Shape shape;
  shape.rows = args.m < kMostRows ? args.m : kMostRows;
  shape.k_tiles = static_cast<int>(padded_k(args.k)) / 32;
  const size_t pairs = static_cast<size_t>(shape.rows + 31) / 32;
  shape.a_bytes = pairs * static_cast<size_t>(shape.k_tiles) * 2 * kTile;
  shape.thread_bytes = kRunBytes + kMostPairs * 2 * pairs * 2 * kTile;
  return shape;
}

struct Activations {
  uint8_t* of[2];  // by Order; null when no part wants it
};

void convert_rows(const GemmArgs& args, const Shape& shape, Order order, int row_pair, uint8_t* a) {
  uint8_t* to = a + static_cast<size_t>(row_pair * shape.k_tiles) * 2 * kTile;
  for (int r = 0; r < 32; ++r) {
    const int row = row_pair * 32 + r;
    uint8_t* at = to + (r / 16) * kTile + (r % 16) * 64;
    for (int t = 0; t < shape.k_tiles; ++t, at += 2 * kTile) {
      const __m512i v = row < args.m
                            ? activations32(args.x + row * args.x_stride, 32 * t, args.k, order)
                            : _mm512_setzero_si512();
      _mm512_store_si512(at, v);
    }
  }
}

// C[2][2] (+)= A·B over `count` tiles of k. c: [2 panels][all rows][16] f32, `panel_bytes` apart.
template <bool first, bool both_rows, bool both_panels>
void multiply_block(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, int count, uint8_t* c0,
                    uint8_t* c1) {
  if constexpr (first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, c0, 64);
    if (both_panels) _tile_loadd(1, c1, 64);
    if (both_rows) _tile_loadd(2, c0 + kTile, 64);
    if (both_rows && both_panels) _tile_loadd(3, c1 + kTile, 64);
  }
  for (int t = 0; t < count; ++t) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b0, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (both_panels) {
      _tile_loadd(7, b1, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (both_rows) {
      _tile_loadd(5, a + kTile, 64);
      _tile_dpbf16ps(2, 5, 6);
      if (both_panels) _tile_dpbf16ps(3, 5, 7);
    }
    a += 2 * kTile;
    b0 += kTile;
    b1 += kTile;
  }
  _tile_stored(0, c0, 64);
  if (both_panels) _tile_stored(1, c1, 64);
  if (both_rows) _tile_stored(2, c0 + kTile, 64);
  if (both_rows && both_panels) _tile_stored(3, c1 + kTile, 64);
}

using BlockFn = void (*)(const uint8_t*, const uint8_t*, const uint8_t*, int, uint8_t*, uint8_t*);

template <bool first>
BlockFn block_fn(bool both_rows, bool both_panels) {
  if (both_panels) {
    return both_rows ? multiply_block<first, true, true> : multiply_block<first, false, true>;
  }
  return both_rows ? multiply_block<first, true, false> : multiply_block<first, false, false>;
}

// Tiles [first, first + count) of 32 k of a panel; bf16 weights are used where they lie.
const uint8_t* widened(const PackedWeight& weight, int panel, int first, int count, uint8_t* to) {
  return with_kind(weight.kind, [&]<DType kind>() -> const uint8_t* {
    const uint8_t* from = panel_at<kind>(weight, panel);
    if constexpr (kind == DType::bf16) {
      return from + static_cast<size_t>(first) * kTile;
    } else {
      for (int t = 0; t < count; t += 2) {
        widen_tile<kind>(from, weight.k, (first + t) / 2, to + static_cast<size_t>(t) * kTile);
      }
      return to;
    }
  });
}

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

void finish_rows(const GemmArgs& args, const Pair& pair, bool gated, int first_row, int rows,
                 const uint8_t* c0, const uint8_t* c1) {
  const auto* s0 = reinterpret_cast<const float*>(c0);
  const auto* s1 = reinterpret_cast<const float*>(c1);
  finish_panel(args, pair.part[0], pair.panel[0], first_row, rows, s0, s1);
  if (!gated && pair.both) {
    finish_panel(args, pair.part[1], pair.panel[1], first_row, rows, s1, nullptr);
  }
}

void multiply_piece(const GemmArgs& args, const Shape& shape, const Activations& activations,
                    const PanelRange& range, uint8_t* own) {
  const bool gated = is_gated(args.epilogue);
  const int num_pairs = gated ? range.end - range.begin : (range.end - range.begin + 1) / 2;
  const int row_pairs = (args.m + 31) / 32;
  const size_t c_bytes = static_cast<size_t>(row_pairs) * 2 * kTile;  // of a panel
  uint8_t* const sums = own + kRunBytes;
  const int num_runs = (shape.k_tiles + kRunTiles - 1) / kRunTiles;
  const int halves = shape.k_tiles / 2;
  for (int run = 0; run < num_runs; ++run) {
    const int first = halves * run / num_runs * 2;
    const int count = halves * (run + 1) / num_runs * 2 - first;
    for (int p = 0; p < num_pairs; ++p) {
      const Pair pair = pair_at(range, gated, p);
      const PackedWeight* weights[2] = {args.parts[pair.part[0]].weight,
                                        args.parts[pair.part[1]].weight};
      const uint8_t* b0 = widened(*weights[0], pair.panel[0], first, count, own);
      const uint8_t* b1 =
          pair.both ? widened(*weights[1], pair.panel[1], first, count, own + kRunTiles * kTile)
                    : b0;
      const uint8_t* a = activations.of[static_cast<int>(order_of(weights[0]->kind))];
      for (int rp = 0; rp < row_pairs; ++rp) {
        const int rows = args.m - rp * 32 < 32 ? args.m - rp * 32 : 32;
        uint8_t* c0 =
            sums + static_cast<size_t>(2 * p) * c_bytes + static_cast<size_t>(rp) * 2 * kTile;
        uint8_t* c1 = c0 + c_bytes;
        const BlockFn multiply =
            run == 0 ? block_fn<true>(rows > 16, pair.both) : block_fn<false>(rows > 16, pair.both);
        multiply(a + static_cast<size_t>(rp * shape.k_tiles + first) * 2 * kTile, b0, b1, count, c0,
                 c1);
        if (run + 1 == num_runs) finish_rows(args, pair, gated, rp * 32, rows, c0, c1);
      }
    }
  }
}

void multiply_rows(const ExecView& exec, const GemmArgs& args) {
  const Shape shape = shape_of(args);
  auto* at = static_cast<uint8_t*>(exec.scratch);
  Activations activations = {};
  for (int p = 0; p < args.num_parts; ++p) {
    uint8_t*& a = activations.of[static_cast<int>(order_of(args.parts[p].weight->kind))];
    if (a != nullptr) continue;
    a = at;
    at += shape.a_bytes;
  }
  parallel_for(exec, (args.m + 31) / 32, [&](int row_pair, int) {
    for (int i = 0; i < 2; ++i) {
      if (activations.of[i] == nullptr) continue;
      convert_rows(args, shape, static_cast<Order>(i), row_pair, activations.of[i]);
    }
  });
  const bool gated = is_gated(args.epilogue);
  const PanelPlan plan =
      plan_panels(exec, args, gated ? 1 : 2, gated ? kMostPairs : 2 * kMostPairs);
  parallel_for(exec, plan.num_pieces, [&](int piece, int thread) {
    use_full_tiles();
    multiply_piece(args, shape, activations, piece_at(plan, piece),
                   at + static_cast<size_t>(thread) * shape.thread_bytes);
    _tile_release();
  });
}

}  // namespace

namespace amx {

size_t tiles_scratch(const ExecView& exec, const GemmArgs& args) {
  const Shape shape = shape_of(args);
  return 2 * shape.a_bytes + shape.thread_bytes * static_cast<size_t>(exec.num_threads);
}

void multiply_tiles(const ExecView& exec, const GemmArgs& args) {
  for (int first = 0; first < args.m; first += kMostRows) {
    GemmArgs rows = args;
    rows.x += first * args.x_stride;
    rows.m = args.m - first < kMostRows ? args.m - first : kMostRows;
    for (int p = 0; p < args.num_parts; ++p) {
      if (rows.parts[p].out != nullptr) rows.parts[p].out += first * args.parts[p].out_stride;
    }
    multiply_rows(exec, rows);
  }
}

}  // namespace amx
}  // namespace millrace::kernels
