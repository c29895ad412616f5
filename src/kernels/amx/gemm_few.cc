// Few rows, where the weights' way from memory is what counts: no weight is widened.
//
// Codes are multiplied as they are, by x in two planes of bytes (quantize.h), with int8 tiles. A
// product must be scaled once for each group of k, so the groups of a 64-k tile get rows of A of
// their own, zero outside the group:
//
//   row of A      k 0-31       k 32-63          token 0: rows 0-3, token 1: rows 4-7, …
//     0           high         0                (q6_k, groups of 16: eight rows a token)
//     1           low          0
//     2           0            high
//     3           0            low
//
// One tile instruction thus gives the dot products of up to four tokens with 16 outputs.
#include "kernels/amx/gemm.h"
#include "kernels/amx/tile.h"
#include "kernels/avx512/decode.h"
#include "kernels/avx512/epilogue.h"
#include "kernels/avx512/quantize.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kTokens = amx::kFewRows;  // those that a call has too few are zero
constexpr size_t kTile = 1024;

// ---- x

template <int group>
constexpr int kTokensPerTile = group == 16 ? 2 : 4;

struct Planes {
  uint8_t* tiles;  // [k/64][tokens / kTokensPerTile] A tiles
  float* sums;     // [tokens][k / group]
  float scale[kTokens];
};

size_t planes_bytes(int k, int group) {
  const size_t row = padded_k(k), tiles = group == 16 ? 2 : 1;
  return row / 64 * tiles * kTile + kTokens * round_up(row / 16 * 4 + row / 32 * 4, size_t{64});
}

template <int group>
Planes make_planes(const GemmArgs& args, uint8_t* scratch) {
  constexpr int per_tile = kTokensPerTile<group>, rows_each = 16 / per_tile;
  const size_t row = padded_k(args.k);
  constexpr int tiles_each = kTokens / per_tile;
  Planes out;
  out.tiles = scratch;
  const size_t tile_bytes = row / 64 * tiles_each * kTile;
  out.sums = reinterpret_cast<float*>(scratch + tile_bytes);
  for (size_t i = 0; i < tile_bytes; i += 64) {
    _mm512_store_si512(scratch + i, _mm512_setzero_si512());
  }
  // Sums of the other group size go behind the last token's.
  float* unused = out.sums + kTokens * (row / group);
  for (int m = 0; m < args.m; ++m) {
    float* sums = out.sums + static_cast<size_t>(m) * (row / group);
    uint8_t* first = scratch + static_cast<size_t>(m / per_tile) * kTile +
                     static_cast<size_t>(m % per_tile) * rows_each * 64;
    out.scale[m] = quantize_row(
        args.x + m * args.x_stride, args.k, group == 16 ? sums : unused,
        group == 16 ? unused : sums, [&](int b, __m256i high, __m256i low) {
          uint8_t* to = first + static_cast<size_t>(b / 2 * tiles_each) * kTile + 32 * (b % 2);
          if constexpr (group == 32) {
            uint8_t* at = to + 128 * (b % 2);
            _mm256_store_si256(reinterpret_cast<__m256i*>(at), high);
            _mm256_store_si256(reinterpret_cast<__m256i*>(at + 64), low);
          } else {
            for (int h = 0; h < 2; ++h) {
              uint8_t* at = to + 128 * (2 * (b % 2) + h) + 16 * h;
              const __m128i high16 =
                  h == 0 ? _mm256_castsi256_si128(high) : _mm256_extracti128_si256(high, 1);
              const __m128i low16 =
                  h == 0 ? _mm256_castsi256_si128(low) : _mm256_extracti128_si256(low, 1);
              _mm_store_si128(reinterpret_cast<__m128i*>(at), high16);
              _mm_store_si128(reinterpret_cast<__m128i*>(at + 64), low16);
            }
          }
        });
  }
  for (int m = args.m; m < kTokens; ++m) {
    float* sums = out.sums + static_cast<size_t>(m) * (row / group);
    for (size_t i = 0; i < row / group; ++i) sums[i] = 0;
    out.scale[m] = 0;
  }
  return out;
}

// ---- panels

// The tile's codes as a B tile: where they lie, or unpacked into `to`.
template <Values values>
const uint8_t* code_tile(const uint8_t* tile, uint8_t* to) {
  if constexpr (values == Values::u8) {
    return tile;
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < 16; ++r) _mm512_store_si512(to + 64 * r, code_row<values>(tile, r));
    return to;
  }
}

template <DType kind>
void multiply_codes(const Planes& x, const PackedWeight& weight, int panel, uint8_t* own,
                    float* out) {
  constexpr Values values = Traits<kind>::values;
  constexpr int group = kGroup<kind>, groups = kTileK / group;
  constexpr int per_tile = kTokensPerTile<group>, tiles_each = kTokens / per_tile;
  const uint8_t* from = panel_at<kind>(weight, panel);
  const uint8_t* scales = from + values_bytes<kind>(weight.k);
  const int num_tiles = static_cast<int>(padded_k(weight.k)) / kTileK;
  const size_t sums_stride = padded_k(weight.k) / group;
  uint8_t* const unpacked = own;          // [2] B tiles
  uint8_t* const dots = own + 2 * kTile;  // [2][tiles_each] C tiles
  Lookahead ahead(from, panel_bytes<kind>(weight.k));
  __m512 acc[kTokens];
  for (int m = 0; m < kTokens; ++m) acc[m] = _mm512_setzero_ps();
  const auto codes_of = [&](int t) {
    return code_tile<values>(from + static_cast<size_t>(t) * kTileBytes<values>,
                             unpacked + static_cast<size_t>(t % 2) * kTile);
  };
  const uint8_t* next_b = codes_of(0);
  // Tile t is multiplied while tile t + 1 is unpacked and the products of tile t - 1 are scaled.
  for (int t = 0; t <= num_tiles; ++t) {
    if (t < num_tiles) {
      ahead.upto(t + 1, num_tiles);
      const uint8_t* b = next_b;
      const uint8_t* a = x.tiles + static_cast<size_t>(t * tiles_each) * kTile;
      uint8_t* c = dots + static_cast<size_t>(t % 2 * tiles_each) * kTile;
      _tile_loadd(7, b, 64);
      _tile_zero(0);
      _tile_loadd(4, a, 64);
      _tile_dpbsud(0, 4, 7);
      if constexpr (tiles_each > 1) {
        _tile_zero(1);
        _tile_loadd(5, a + kTile, 64);
        _tile_dpbsud(1, 5, 7);
      }
      _tile_stored(0, c, 64);
      if constexpr (tiles_each > 1) _tile_stored(1, c + kTile, 64);
      if (t + 1 < num_tiles) next_b = codes_of(t + 1);
    }
    if (t == 0) continue;
    const uint8_t* c = dots + static_cast<size_t>((t - 1) % 2 * tiles_each) * kTile;
    const auto first_group = static_cast<size_t>((t - 1) * groups);
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g) {
      ScaleMin s = scale_min<kind>(scales, first_group + static_cast<size_t>(g));
      if constexpr (!kHasMin<kind>) {
        s.m = _mm512_mul_ps(s.d, _mm512_set1_ps(-static_cast<float>(Traits<kind>::zero)));
      }
#pragma GCC unroll 16
      for (int m = 0; m < kTokens; ++m) {
        const uint8_t* rows = c + static_cast<size_t>(m / per_tile) * kTile +
                              static_cast<size_t>(m % per_tile * (16 / per_tile) + 2 * g) * 64;
        const __m512i high = _mm512_load_si512(rows), low = _mm512_load_si512(rows + 64);
        const __m512i dot = _mm512_add_epi32(_mm512_slli_epi32(high, 8), low);
        const float sum =
            x.sums[static_cast<size_t>(m) * sums_stride + first_group + static_cast<size_t>(g)];
        acc[m] = _mm512_fmadd_ps(s.m, _mm512_set1_ps(sum), acc[m]);
        acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), s.d, acc[m]);
      }
    }
  }
  for (int m = 0; m < kTokens; ++m) {
    _mm512_storeu_ps(out + 16 * m, _mm512_mul_ps(acc[m], _mm512_set1_ps(x.scale[m])));
  }
}

// ---- the call

constexpr size_t kOwnBytes = 2 * kTile + 4 * kTile;  // B tiles, C tiles
constexpr size_t kPanelSums = kTokens * kPanelRows;  // floats
constexpr size_t kThreadBytes = kOwnBytes + 2 * kPanelSums * sizeof(float);

bool uses(const GemmArgs& args, bool (*is)(DType)) {
  for (int p = 0; p < args.num_parts; ++p) {
    if (is(args.parts[p].weight->kind)) return true;
  }
  return false;
}

bool is_q6(DType kind) {
  return kind == DType::q6_k;
}
bool is_other(DType kind) {
  return !is_q6(kind);
}

}  // namespace

namespace amx {

bool few_can(DType kind) {
  return kind != DType::f32 && kind != DType::f16 && kind != DType::bf16;
}

size_t few_scratch(const ExecView& exec, const GemmArgs& args) {
  return planes_bytes(args.k, 16) + planes_bytes(args.k, 32) +
         kThreadBytes * static_cast<size_t>(exec.num_threads);
}

void multiply_few(const ExecView& exec, const GemmArgs& args) {
  auto* at = static_cast<uint8_t*>(exec.scratch);
  Planes planes16 = {}, planes32 = {};
  if (uses(args, is_q6)) planes16 = make_planes<16>(args, at);
  at += planes_bytes(args.k, 16);
  if (uses(args, is_other)) planes32 = make_planes<32>(args, at);
  at += planes_bytes(args.k, 32);

  const bool gated = is_gated(args.epilogue);
  const PanelPlan plan = plan_panels(exec, args, 1, 1 << 30);
  parallel_for(exec, plan.num_pieces, [&](int piece, int thread) {
    uint8_t* own = at + static_cast<size_t>(thread) * kThreadBytes;
    auto* sums = reinterpret_cast<float*>(own + kOwnBytes);
    float* up = sums + kPanelSums;
    const auto multiply = [&](int part, int panel, float* to) {
      const PackedWeight& weight = *args.parts[part].weight;
      with_kind(weight.kind, [&]<DType kind>() {
        if constexpr (Traits<kind>::values != Values::f32 && Traits<kind>::values != Values::pair) {
          multiply_codes<kind>(kGroup<kind> == 16 ? planes16 : planes32, weight, panel, own, to);
        }
      });
    };
    use_full_tiles();
    const PanelRange range = piece_at(plan, piece);
    for (int panel = range.begin; panel < range.end; ++panel) {
      multiply(range.part, panel, sums);
      if (gated) multiply(1, panel, up);
      finish_panel(args, range.part, panel, 0, args.m, sums, up);
    }
    _tile_release();
  });
}

}  // namespace amx
}  // namespace millrace::kernels
