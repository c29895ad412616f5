// Many rows of weights with one scale an output (i8): int8 tiles, two by two, twice the rate of
// bf16.
//
//   x, once a call:     bytes [rows][k], a scale for each kBytesBlock k of a row, and what the
//   codes'
//                       zero adds to a row (the same for every output)
//   threads a piece:    pairs of panels, whose codes are B tiles as they lie
//     for each run of k, a pair, 32 rows of x:
//       for each block: C[2][2] = A·B in tiles; while the next block is multiplied, its products
//       are
//                       scaled and added up in f32, in L1
//       the run's sums are added to those of the runs before, in L2
//   last, row by row    the outputs' scales, epilogue and output
#include "kernels/amx/ahead.h"
#include "kernels/amx/gemm.h"
#include "kernels/amx/pairs.h"
#include "kernels/amx/tile.h"
#include "kernels/avx512/epilogue.h"
#include "kernels/avx512/quantize.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kBlockTiles = amx::kBytesBlock / kTileK;  // tiles of 64 k that share a scale
constexpr int kRunBlocks = 4;                           // of a pair: 32 KiB of codes
constexpr int kMostPairs = 8;
constexpr int kMostRows = 512;
constexpr size_t kTile = 1024;
constexpr size_t kOwnBytes = 2 * 4 * kTile + 4 * kTile;  // products of two blocks, sums of a run

struct Shape {
  int rows, k_tiles, blocks;
  size_t a_stride;  // bytes between rows of x: an odd number of lines, against set conflicts
  size_t a_bytes, scales_bytes, offsets_bytes;
  size_t c_bytes;  // of a panel's sums
  size_t thread_bytes;
};

Shape shape_of(const GemmArgs& args) {
  Shape shape;
  shape.rows = args.m < kMostRows ? args.m : kMostRows;
  shape.k_tiles = static_cast<int>(padded_k(args.k)) / kTileK;
  shape.blocks = (shape.k_tiles + kBlockTiles - 1) / kBlockTiles;
  const size_t rows = round_up(static_cast<size_t>(shape.rows), size_t{32});
  shape.a_stride = round_up(static_cast<size_t>(shape.k_tiles) * 64, size_t{128}) + 64;
  shape.a_bytes = rows * shape.a_stride;
  shape.scales_bytes = round_up(rows * static_cast<size_t>(shape.blocks) * 4, size_t{64});
  shape.offsets_bytes = round_up(rows * 4, size_t{64});
  shape.c_bytes = rows * 64 + 64;
  shape.thread_bytes = kOwnBytes + kMostPairs * 2 * shape.c_bytes;
  return shape;
}

struct Activations {
  uint8_t* bytes;
  float* scales;   // [blocks][rows of whole pairs]
  float* offsets;  // [rows]: -zero times the sum of x as it was rounded
  size_t rows;
};

Activations activations_at(uint8_t* at, const Shape& shape) {
  return {.bytes = at,
          .scales = reinterpret_cast<float*>(at + shape.a_bytes),
          .offsets = reinterpret_cast<float*>(at + shape.a_bytes + shape.scales_bytes),
          .rows = round_up(static_cast<size_t>(shape.rows), size_t{32})};
}

// One block of a row. A row with a NaN or an infinity gets a scale that is not finite.
void convert_block(const float* x, int k, int block, uint8_t* to, int tiles, float& scale,
                   float& offset) {
  const int begin = block * amx::kBytesBlock;
  const int left = k - begin < amx::kBytesBlock ? k - begin : amx::kBytesBlock;
  const float largest = row_largest(x + begin, left);
  const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
  const __m512 factor = _mm512_set1_ps(inverse);
  __m512i sum = _mm512_setzero_si512();
  for (int i = 0; i < tiles * kTileK; i += 16) {
    const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(load_row16(x + begin, i, left), factor));
    sum = _mm512_add_epi32(sum, q);
    _mm_store_si128(reinterpret_cast<__m128i*>(to + i), _mm512_cvtepi32_epi8(q));
  }
  scale = largest / 127.0f;
  offset -= scale * static_cast<float>(Traits<DType::i8>::zero) *
            static_cast<float>(_mm512_reduce_add_epi32(sum));
}

// 32 rows of x; those past the last are zero.
void convert_rows(const GemmArgs& args, const Shape& shape, int row_pair, const Activations& out) {
  for (int row = row_pair * 32; row < row_pair * 32 + 32; ++row) {
    uint8_t* to = out.bytes + static_cast<size_t>(row) * shape.a_stride;
    float offset = 0;
    for (int b = 0; b < shape.blocks; ++b) {
      const int left = shape.k_tiles - b * kBlockTiles;
      const int tiles = left < kBlockTiles ? left : kBlockTiles;
      uint8_t* at = to + b * amx::kBytesBlock;
      float& scale = out.scales[static_cast<size_t>(b) * out.rows + static_cast<size_t>(row)];
      scale = 0;
      if (row < args.m) {
        convert_block(args.x + row * args.x_stride, args.k, b, at, tiles, scale, offset);
      } else {
        for (int t = 0; t < tiles; ++t) _mm512_store_si512(at + 64 * t, _mm512_setzero_si512());
      }
    }
    out.offsets[row] = offset;
  }
}

// Adds the products of 8 rows of a C tile, scaled.
inline void add_scaled(const uint8_t* products, const float* scales, uint8_t* sums) {
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) {
    const __m512 v = _mm512_cvtepi32_ps(_mm512_load_si512(products + 64 * r));
    const __m512 sum = _mm512_load_ps(sums + 64 * r);
    _mm512_store_ps(sums + 64 * r, _mm512_fmadd_ps(v, _mm512_set1_ps(scales[r]), sum));
  }
}

// One of the four steps that scale a block: C tile `quarter` (rows of the pair × panels).
inline void add_quarter(const uint8_t* products, const float* scales, uint8_t* sums, int quarter) {
  const uint8_t* from = products + static_cast<size_t>(quarter) * kTile;
  uint8_t* to = sums + static_cast<size_t>(quarter) * kTile;
  const float* s = scales + quarter / 2 * 16;  // tiles 0, 1: rows 0-15; 2, 3: rows 16-31
  add_scaled(from, s, to);
  add_scaled(from + kTile / 2, s + 8, to + kTile / 2);
}

struct Block {
  const uint8_t* a;
  size_t a_stride;
  const uint8_t *b0, *b1;
  int tiles;
};

// C[2][2] = A·B of a block; meanwhile the products of the block before are scaled.
template <bool both_rows, bool both_panels>
void multiply_block(const Block& block, uint8_t* products, const uint8_t* before,
                    const float* scales, uint8_t* sums, Ahead& ahead) {
  const uint8_t *a = block.a, *b0 = block.b0, *b1 = block.b1;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int t = 0; t < kBlockTiles; ++t) {
    if (t < block.tiles) {
      _tile_stream_loadd(4, a, block.a_stride);
      _tile_loadd(6, b0, 64);
      _tile_dpbsud(0, 4, 6);
      if (both_panels) {
        _tile_loadd(7, b1, 64);
        _tile_dpbsud(1, 4, 7);
      }
      if (both_rows) {
        _tile_stream_loadd(5, a + 16 * block.a_stride, block.a_stride);
        _tile_dpbsud(2, 5, 6);
        if (both_panels) _tile_dpbsud(3, 5, 7);
      }
      ahead.issue();
      a += 64;
      b0 += kTile;
      b1 += kTile;
    }
    if (before != nullptr) add_quarter(before, scales, sums, t);
  }
  _tile_stored(0, products, 64);
  _tile_stored(1, products + kTile, 64);
  _tile_stored(2, products + 2 * kTile, 64);
  _tile_stored(3, products + 3 * kTile, 64);
}

using BlockFn = void (*)(const Block&, uint8_t*, const uint8_t*, const float*, uint8_t*, Ahead&);

BlockFn block_fn(bool both_rows, bool both_panels) {
  if (both_panels) return both_rows ? multiply_block<true, true> : multiply_block<false, true>;
  return both_rows ? multiply_block<true, false> : multiply_block<false, false>;
}

struct Piece {
  const GemmArgs& args;
  const Shape& shape;
  const Activations& activations;
  PanelRange range;
  bool gated;
  int num_pairs, row_pairs, num_runs;
  uint8_t* own;
  uint8_t* sums;  // [num_pairs][2] panels

  int run_begin(int run) const { return run * kRunBlocks; }  // in blocks
  int run_end(int run) const {
    const int end = (run + 1) * kRunBlocks;
    return end < shape.blocks ? end : shape.blocks;
  }
};

Ahead plan_ahead(const Piece& piece, int run, int p) {
  Ahead ahead;
  const bool last_pair = p + 1 == piece.num_pairs;
  const int next_run = last_pair ? run + 1 : run;
  if (next_run < piece.num_runs) {
    const Pair next = pair_at(piece.range, piece.gated, last_pair ? 0 : p + 1);
    const int first = piece.run_begin(next_run) * kBlockTiles;
    int tiles = (piece.run_end(next_run) - piece.run_begin(next_run)) * kBlockTiles;
    if (first + tiles > piece.shape.k_tiles) tiles = piece.shape.k_tiles - first;
    for (int i = 0; i < (next.both ? 2 : 1); ++i) {
      add_weights(*piece.args.parts[next.part[i]].weight, next.panel[i], 2 * first, 2 * tiles,
                  ahead);
    }
  }
  const int steps = (piece.run_end(run) - piece.run_begin(run)) * kBlockTiles * piece.row_pairs;
  ahead.each = (ahead.total + steps - 1) / steps;
  return ahead;
}

// The run's sums of 32 rows go to those of the whole k.
template <bool first>
void add_run(const uint8_t* own, uint8_t* c0, uint8_t* c1) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    const uint8_t* from = own + static_cast<size_t>(quarter) * kTile;
    uint8_t* to = (quarter % 2 == 0 ? c0 : c1) + static_cast<size_t>(quarter / 2) * kTile;
    for (int r = 0; r < 16; ++r) {
      __m512 v = _mm512_load_ps(from + 64 * r);
      if (!first) v = _mm512_add_ps(v, _mm512_load_ps(to + 64 * r));
      _mm512_store_ps(to + 64 * r, v);
    }
  }
}

void multiply_pair(const Piece& piece, int run, int p) {
  const Shape& shape = piece.shape;
  const Pair pair = pair_at(piece.range, piece.gated, p);
  const auto panel_of = [&](int i) {
    return panel_at<DType::i8>(*piece.args.parts[pair.part[i]].weight, pair.panel[i]);
  };
  const uint8_t* b0 = panel_of(0);
  const uint8_t* b1 = pair.both ? panel_of(1) : b0;
  uint8_t* const products = piece.own;  // of two blocks, in turns
  uint8_t* const run_sums = piece.own + 8 * kTile;
  uint8_t* const sums = piece.sums + static_cast<size_t>(2 * p) * shape.c_bytes;
  Ahead ahead = plan_ahead(piece, run, p);
  const int begin = piece.run_begin(run), end = piece.run_end(run);
  for (int rp = 0; rp < piece.row_pairs; ++rp) {
    const BlockFn multiply = block_fn(piece.args.m - rp * 32 > 16, pair.both);
    const uint8_t* a = piece.activations.bytes + static_cast<size_t>(rp) * 32 * shape.a_stride;
    const auto scales_of = [&](int b) {
      return piece.activations.scales + static_cast<size_t>(b) * piece.activations.rows + rp * 32;
    };
    for (size_t i = 0; i < 4 * kTile; i += 64) {
      _mm512_store_si512(run_sums + i, _mm512_setzero_si512());
    }
    const uint8_t* before = nullptr;
    for (int b = begin; b < end; ++b) {
      const int left = shape.k_tiles - b * kBlockTiles;
      const size_t at = static_cast<size_t>(b) * kBlockTiles;
      const Block block = {.a = a + at * 64,
                           .a_stride = shape.a_stride,
                           .b0 = b0 + at * kTile,
                           .b1 = b1 + at * kTile,
                           .tiles = left < kBlockTiles ? left : kBlockTiles};
      uint8_t* to = products + static_cast<size_t>(b % 2) * 4 * kTile;
      multiply(block, to, before, b > begin ? scales_of(b - 1) : nullptr, run_sums, ahead);
      before = to;
    }
    for (int quarter = 0; quarter < 4; ++quarter) {
      add_quarter(before, scales_of(end - 1), run_sums, quarter);
    }
    uint8_t* c0 = sums + static_cast<size_t>(rp) * 2 * kTile;
    if (run == 0) {
      add_run<true>(run_sums, c0, c0 + shape.c_bytes);
    } else {
      add_run<false>(run_sums, c0, c0 + shape.c_bytes);
    }
  }
}

void finish_piece(const Piece& piece) {
  const int step = piece.gated ? 2 : 1;
  const size_t stride = piece.shape.c_bytes / 4;
  const auto* sums = reinterpret_cast<const float*>(piece.sums);
  const bool stream = should_stream(piece.args, piece.range.part);
  const auto scaled = [&](const float* from, int part, int panel, int row, float* to) {
    const PackedWeight& weight = *piece.args.parts[part].weight;
    const uint8_t* scales = panel_at<DType::i8>(weight, panel) + values_bytes<DType::i8>(weight.k);
    const __m512 v =
        _mm512_add_ps(_mm512_load_ps(from), _mm512_set1_ps(piece.activations.offsets[row]));
    _mm512_store_ps(to, _mm512_mul_ps(v, scale_min<DType::i8>(scales, 0).d));
  };
  alignas(64) float value[16], up[16];
  for (int row = 0; row < piece.args.m; ++row, sums += 16) {
    for (int panel = piece.range.begin, i = 0; panel < piece.range.end; ++panel, i += step) {
      const float* from = sums + static_cast<size_t>(i) * stride;
      scaled(from, piece.range.part, panel, row, value);
      if (piece.gated) scaled(from + stride, 1, panel, row, up);
      finish_panel(piece.args, piece.range.part, panel, row, 1, value, up, stream);
    }
  }
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
                       .num_runs = (shape.blocks + kRunBlocks - 1) / kRunBlocks,
                       .own = own,
                       .sums = own + kOwnBytes};
  for (int run = 0; run < piece.num_runs; ++run) {
    for (int p = 0; p < piece.num_pairs; ++p) multiply_pair(piece, run, p);
  }
  finish_piece(piece);
}

void multiply_rows(const ExecView& exec, const GemmArgs& args) {
  const Shape shape = shape_of(args);
  auto* at = static_cast<uint8_t*>(exec.scratch);
  const Activations activations = activations_at(at, shape);
  at += shape.a_bytes + shape.scales_bytes + shape.offsets_bytes;
  parallel_for(exec, (args.m + 31) / 32,
               [&](int row_pair, int) { convert_rows(args, shape, row_pair, activations); });
  const bool gated = is_gated(args.epilogue);
  const PanelPlan plan =
      plan_panels(exec, args, gated ? 1 : 2, gated ? kMostPairs : 2 * kMostPairs);
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

size_t bytes_scratch(const ExecView& exec, const GemmArgs& args) {
  const Shape shape = shape_of(args);
  return shape.a_bytes + shape.scales_bytes + shape.offsets_bytes +
         shape.thread_bytes * static_cast<size_t>(exec.num_threads);
}

void multiply_bytes(const ExecView& exec, const GemmArgs& args) {
  for_row_blocks(args, kMostRows, [&](const GemmArgs& rows) { multiply_rows(exec, rows); });
}

}  // namespace amx
}  // namespace millrace::kernels
