// Many rows: bf16 tiles, two by two.
//
//   x, once a call:     A as bf16 [rows][k], shared by all parts and threads
//   threads a piece:    pairs of panels (gated: panel j of gate and of up are a pair)
//     for each run of k (kRunTiles at most): the pair's B tiles are widened into 36 KiB of L1,
//       for 32 rows of x: C[2][2] += A[2][run]·B[run][2] in tiles, kept in L2 between runs
//     a pair's epilogue goes on while the next pair is multiplied
//
// Where A stays in L2 (is resident) a pair takes all runs of k before the next pair begins. Where
// it does not, all pairs of the piece take a run before the next run begins, so that A is read once
// a piece; up to kMostPairs sums then lie in L2.
//
// B must lie in L1 and A in L2: with both in L2 the tile loads halve the speed. A is therefore
// loaded with the hint that keeps it from displacing B (tileloaddt1). Measured with data that is
// not zero, tiles multiply at 80 % of the rate that they reach on zeros, however they are fed.
#include "kernels/amx/finish.h"
#include "kernels/amx/gemm.h"
#include "kernels/amx/pairs.h"
#include "kernels/amx/tile.h"
#include "kernels/amx/widen.h"
#include "kernels/avx512/epilogue.h"
#include "kernels/avx512/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kRunTiles = 18;  // bf16 tiles of 32 k: even, for widening goes by 64 k
constexpr int kMostPairs = 16;
constexpr int kMostRows = 512;
constexpr size_t kTile = 1024;
constexpr size_t kRunBytes = 2 * kRunTiles * kTile;
constexpr size_t kResidentBytes = 1200 << 10;  // of A: what stays in L2 beside all else

struct Shape {
  int rows, k_tiles;  // k_tiles of 32
  bool resident;      // whether all of A stays in L2
  size_t a_stride;    // bytes between rows of bf16 x: an odd number of lines, against set conflicts
  size_t a_bytes;     // of one order
  size_t
      c_bytes;  // of a panel's sums: [rows of whole pairs][16] f32 and a line, for the same reason
  size_t thread_bytes;
};

Shape shape_of(const GemmArgs& args) {
  Shape shape;
  shape.k_tiles = static_cast<int>(padded_k(args.k)) / 32;
  shape.a_stride = static_cast<size_t>(shape.k_tiles) * 64 + 64;
  int most = kMostRows;
  if (most * shape.a_stride > kResidentBytes && most / 2 * shape.a_stride <= kResidentBytes) {
    most /= 2;
  }
  shape.rows = args.m < most ? args.m : most;
  const size_t rows = round_up(static_cast<size_t>(shape.rows), size_t{32});
  shape.resident = rows * shape.a_stride <= kResidentBytes;
  shape.a_bytes = rows * shape.a_stride;
  shape.c_bytes = rows * 64 + 64;
  shape.thread_bytes = kRunBytes + (shape.resident ? 2 : kMostPairs) * 2 * shape.c_bytes;
  return shape;
}

struct Activations {
  uint8_t* of[2];  // by Order; null when no part wants it
};

// 32 rows of x; those past the last are zero.
void convert_rows(const GemmArgs& args, const Shape& shape, Order order, int row_pair, uint8_t* a) {
  for (int row = row_pair * 32; row < row_pair * 32 + 32; ++row) {
    const float* x = args.x + row * args.x_stride;
    uint8_t* to = a + static_cast<size_t>(row) * shape.a_stride;
    for (int t = 0; t < shape.k_tiles; ++t) {
      const __m512i v =
          row < args.m ? activations32(x, 32 * t, args.k, order) : _mm512_setzero_si512();
      _mm512_store_si512(to + 64 * t, v);
    }
  }
}

// C[2][2] (+)= A·B over `count` tiles of k. c: [2 panels][all rows][16] f32, `panel_bytes` apart.
template <bool first, bool both_rows, bool both_panels>
void multiply_block(const uint8_t* a, size_t a_stride, const uint8_t* b0, const uint8_t* b1,
                    int count, uint8_t* c0, uint8_t* c1, Ahead& ahead, Finisher& finisher) {
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
    _tile_stream_loadd(4, a, a_stride);
    _tile_loadd(6, b0, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (both_panels) {
      _tile_loadd(7, b1, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (both_rows) {
      _tile_stream_loadd(5, a + 16 * a_stride, a_stride);
      _tile_dpbf16ps(2, 5, 6);
      if (both_panels) _tile_dpbf16ps(3, 5, 7);
    }
    ahead.issue();
    finisher.step();
    a += 64;
    b0 += kTile;
    b1 += kTile;
  }
  _tile_stored(0, c0, 64);
  if (both_panels) _tile_stored(1, c1, 64);
  if (both_rows) _tile_stored(2, c0 + kTile, 64);
  if (both_rows && both_panels) _tile_stored(3, c1 + kTile, 64);
}

using BlockFn = void (*)(const uint8_t*, size_t, const uint8_t*, const uint8_t*, int, uint8_t*,
                         uint8_t*, Ahead&, Finisher&);

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

struct Piece {
  const GemmArgs& args;
  const Shape& shape;
  const Activations& activations;
  PanelRange range;
  bool gated;
  int num_pairs, row_pairs, num_runs;
  uint8_t* b;     // [2][kRunTiles] tiles
  uint8_t* sums;  // [num_pairs; 2 in turns when A is resident][2] panels

  uint8_t* sums_of(int p) const {
    return sums + static_cast<size_t>(2 * (shape.resident ? p % 2 : p)) * shape.c_bytes;
  }
  int run_begin(int run) const { return shape.k_tiles / 2 * run / num_runs * 2; }
  int run_tiles(int run) const { return run_begin(run + 1) - run_begin(run); }
};

// What comes after (run, p): the next weights and, where A does not stay in L2, a share of the
// activations of the next run.
Ahead plan_ahead(const Piece& piece, int run, int p, const uint8_t* a) {
  Ahead ahead;
  const bool last_pair = p + 1 == piece.num_pairs, last_run = run + 1 == piece.num_runs;
  const bool resident = piece.shape.resident;
  const bool steps_run = resident ? !last_run : last_pair;
  const int next_run = steps_run ? run + 1 : resident ? 0 : run;
  const int next_pair = resident ? (last_run ? p + 1 : p) : (last_pair ? 0 : p + 1);
  if (next_run < piece.num_runs && next_pair < piece.num_pairs) {
    const Pair next = pair_at(piece.range, piece.gated, next_pair);
    for (int i = 0; i < (next.both ? 2 : 1); ++i) {
      const GemmPart& part = piece.args.parts[next.part[i]];
      add_weights(*part.weight, next.panel[i], piece.run_begin(next_run), piece.run_tiles(next_run),
                  ahead);
    }
  }
  if (!resident && !last_run) {
    const int rows = piece.row_pairs * 32;
    const int begin = rows * p / piece.num_pairs, end = rows * (p + 1) / piece.num_pairs;
    const auto stride = static_cast<int64_t>(piece.shape.a_stride);
    ahead.add(a + begin * stride + piece.run_begin(run + 1) * 64, stride, piece.run_tiles(run + 1),
              end - begin);
  }
  const int steps = piece.run_tiles(run) * piece.row_pairs;
  ahead.each = (ahead.total + steps - 1) / steps;
  return ahead;
}

void multiply_pair(const Piece& piece, int run, int p, Finisher& finisher) {
  const GemmArgs& args = piece.args;
  const Pair pair = pair_at(piece.range, piece.gated, p);
  const int first = piece.run_begin(run), count = piece.run_tiles(run);
  const PackedWeight& weight = *args.parts[pair.part[0]].weight;
  const uint8_t* b0 = widened(weight, pair.panel[0], first, count, piece.b);
  const uint8_t* b1 = b0;
  if (pair.both) {
    b1 = widened(*args.parts[pair.part[1]].weight, pair.panel[1], first, count,
                 piece.b + kRunTiles * kTile);
  }
  const uint8_t* a = piece.activations.of[static_cast<int>(order_of(weight.kind))];
  uint8_t* const sums = piece.sums_of(p);
  Ahead ahead = plan_ahead(piece, run, p, a);
  for (int rp = 0; rp < piece.row_pairs; ++rp) {
    const bool both_rows = args.m - rp * 32 > 16;
    uint8_t* c0 = sums + static_cast<size_t>(rp) * 2 * kTile;
    const BlockFn multiply =
        run == 0 ? block_fn<true>(both_rows, pair.both) : block_fn<false>(both_rows, pair.both);
    multiply(
        a + static_cast<size_t>(rp) * 32 * piece.shape.a_stride + static_cast<size_t>(first) * 64,
        piece.shape.a_stride, b0, b1, count, c0, c0 + piece.shape.c_bytes, ahead, finisher);
  }
}

// Pair p's sums are whole: its epilogue begins, to be done in the next `steps` steps.
void start_finish(const Piece& piece, int p, int steps, Finisher& finisher) {
  finisher.rest();
  finisher.start(piece.args, pair_at(piece.range, piece.gated, p), piece.gated,
                 reinterpret_cast<const float*>(piece.sums_of(p)), piece.shape.c_bytes / 4, steps);
}

void multiply_piece(const GemmArgs& args, const Shape& shape, const Activations& activations,
                    const PanelRange& range, uint8_t* own) {
  const bool gated = is_gated(args.epilogue);
  const int panels = range.end - range.begin;
  const Piece piece = {.args = args,
                       .shape = shape,
                       .activations = activations,
                       .range = range,
                       .gated = gated,
                       .num_pairs = gated ? panels : (panels + 1) / 2,
                       .row_pairs = (args.m + 31) / 32,
                       .num_runs = (shape.k_tiles + kRunTiles - 1) / kRunTiles,
                       .b = own,
                       .sums = own + kRunBytes};
  Finisher finisher;
  if (shape.resident) {
    for (int p = 0; p < piece.num_pairs; ++p) {
      for (int run = 0; run < piece.num_runs; ++run) multiply_pair(piece, run, p, finisher);
      start_finish(piece, p, shape.k_tiles * piece.row_pairs, finisher);
    }
  } else {
    for (int run = 0; run < piece.num_runs; ++run) {
      for (int p = 0; p < piece.num_pairs; ++p) {
        multiply_pair(piece, run, p, finisher);
        if (run + 1 < piece.num_runs) continue;
        start_finish(piece, p, piece.run_tiles(run) * piece.row_pairs, finisher);
      }
    }
  }
  finisher.rest();
}

// One part's pairs for threads that are all there: a few pieces a thread, of sizes that end
// together. Where A streams by, a piece is as large as its sums allow: A is read once a piece.
PanelPlan plan_pieces(const ExecView& exec, const GemmArgs& args, const Shape& shape) {
  const bool gated = is_gated(args.epilogue);
  const int each = gated ? 1 : 2;  // panels of a pair
  PanelPlan plan = plan_panels(exec, args, each, shape.resident ? 1 << 30 : each * kMostPairs);
  if (plan.num_parts > 1) return plan;
  const int pairs = (plan.panels[0] + each - 1) / each, threads = exec.num_threads;
  const auto pairs_of = [&](int rounds) {
    return (pairs + rounds * threads - 1) / (rounds * threads);
  };
  int best = 1;
  if (!shape.resident) {
    while (pairs_of(best) > kMostPairs) ++best;
  } else if (threads > 1) {
    best = 4;
    for (int rounds = 5; rounds <= 8; ++rounds) {
      if (rounds * pairs_of(rounds) < best * pairs_of(best)) best = rounds;
    }
  }
  plan.per_piece = pairs_of(best) * each;
  plan.num_pieces = (plan.panels[0] + plan.per_piece - 1) / plan.per_piece;
  return plan;
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
  const PanelPlan plan = plan_pieces(exec, args, shape);
  parallel_for(exec, plan.num_pieces, [&](int piece, int thread) {
    use_full_tiles();
    multiply_piece(args, shape, activations, piece_at(plan, piece),
                   at + static_cast<size_t>(thread) * shape.thread_bytes);
    _tile_release();
    _mm_sfence();
  });
}

}  // namespace

namespace amx {

size_t tiles_scratch(const ExecView& exec, const GemmArgs& args) {
  const Shape shape = shape_of(args);
  return 2 * shape.a_bytes + shape.thread_bytes * static_cast<size_t>(exec.num_threads);
}

void multiply_tiles(const ExecView& exec, const GemmArgs& args) {
  for_row_blocks(args, shape_of(args).rows,
                 [&](const GemmArgs& rows) { multiply_rows(exec, rows); });
}

}  // namespace amx
}  // namespace millrace::kernels
