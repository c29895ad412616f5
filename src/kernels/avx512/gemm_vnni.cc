// Rows of x against quantised weights: codes are the unsigned operand of vpdpbusd, byte planes of x
// the signed one, broadcast four k at a time; each group of k is then scaled once. That is twice
// the multiply-adds a cycle of f32, on weights that no one has to widen.
#include "kernels/avx512/decode.h"
#include "kernels/avx512/gemm.h"
#include "kernels/avx512/quantize.h"
#include "kernels/avx512/row_groups.h"
#include "kernels/avx512/vnni_rows.h"

namespace millrace::kernels {
namespace {

template <DType kind, int rows>
inline void add_offsets(const Rows& x, size_t index, size_t k, __m512 m, __m512* offset) {
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
    offset[r] = _mm512_fmadd_ps(m, _mm512_set1_ps(sum_of<kind>(x, r, index, k)), offset[r]);
  }
}

// One scale a row: integers are added up over k, and only then become floats.
template <int rows>
void multiply_row_scaled(const Rows& x, const PackedWeight& weight, int panel, Pass pass,
                         float* sums) {
  constexpr DType kind = DType::i8;
  const uint8_t* tile = panel_at<kind>(weight, panel);
  const uint8_t* scales = tile + values_bytes<kind>(weight.k);
  const int num_tiles = static_cast<int>(padded_k(weight.k)) / kTileK;
  Lookahead ahead = look_ahead(tile, panel_bytes<kind>(weight.k), rows, pass.index, pass.count);
  __m512 acc[rows];
  for (int r = 0; r < rows; ++r) acc[r] = _mm512_setzero_ps();
  const int8_t* four = x.planes;
  for (int begin = 0; begin < num_tiles; begin += kMostWholeTiles) {
    const int end = begin + kMostWholeTiles < num_tiles ? begin + kMostWholeTiles : num_tiles;
    __m512i high[rows], low[rows];
    for (int r = 0; r < rows; ++r) high[r] = low[r] = _mm512_setzero_si512();
    for (int t = begin; t < end; ++t, tile += kTileBytes<Values::u8>) {
      ahead.upto(t + 1, num_tiles);
#pragma GCC unroll 16
      for (int i = 0; i < kTileK / 4; ++i, four += 8 * rows) {
        const __m512i codes = code_row<Values::u8>(tile, i);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
          high[r] = _mm512_dpbusd_epi32(high[r], codes, broadcast4(four + 8 * r));
          low[r] = _mm512_dpbusd_epi32(low[r], codes, broadcast4(four + 8 * r + 4));
        }
      }
    }
    for (int r = 0; r < rows; ++r) {
      acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high[r]), _mm512_set1_ps(256.0f), acc[r]);
      acc[r] = _mm512_add_ps(_mm512_cvtepi32_ps(low[r]), acc[r]);
    }
  }
  const __m512 d = _mm512_loadu_ps(scales);
  for (int r = 0; r < rows; ++r) {
    const float all = x.sums[static_cast<size_t>(r + 1) * x.sums_stride - 1];
    const __m512 offset = _mm512_set1_ps(-static_cast<float>(Traits<kind>::zero) * all);
    const __m512 total = _mm512_mul_ps(_mm512_add_ps(acc[r], offset), d);
    _mm512_storeu_ps(sums + 16 * r, _mm512_mul_ps(total, _mm512_set1_ps(x.scales[r])));
  }
}

// Minimums are added up apart; eight rows have no registers left for that: those take a pass of
// their own, in the same order of additions.
template <DType kind, int rows>
void multiply(const Rows& x, const PackedWeight& weight, int panel, Pass pass, float* sums) {
  constexpr Values values = Traits<kind>::values;
  constexpr int group = kSpan<kind>, groups = kTileK / group;
  constexpr size_t scales_each = group > kGroup<kind> ? 2 : 1;
  constexpr bool has_min = !kFoldsZero<kind>, apart = rows > 4;
  const uint8_t* tile = panel_at<kind>(weight, panel);
  const uint8_t* scales = tile + values_bytes<kind>(weight.k);
  const size_t k = padded_k(weight.k);
  const int num_tiles = static_cast<int>(k) / kTileK;
  Lookahead ahead = look_ahead(tile, panel_bytes<kind>(weight.k), rows, pass.index, pass.count);
  __m512 acc[rows], offset[rows];
  for (int r = 0; r < rows; ++r) acc[r] = offset[r] = _mm512_setzero_ps();
  const int8_t* four = x.planes;
  for (int t = 0; t < num_tiles; ++t, tile += kTileBytes<values>) {
    ahead.upto(t + 1, num_tiles);
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g) {
      const size_t index = static_cast<size_t>(t * groups + g);
      __m512i high[rows], low[rows];
      for (int r = 0; r < rows; ++r) {
        high[r] = _mm512_setzero_si512();
        low[r] = start_of<kind>(x, r, index, k);
      }
#pragma GCC unroll 16
      for (int i = 0; i < group / 4; ++i, four += 8 * rows) {
        const __m512i codes = code_row<values>(tile, g * (group / 4) + i);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
          high[r] = _mm512_dpbusd_epi32(high[r], codes, broadcast4(four + 8 * r));
          low[r] = _mm512_dpbusd_epi32(low[r], codes, broadcast4(four + 8 * r + 4));
        }
      }
      const ScaleMin s = scale_min<kind>(scales, scales_each * index);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const __m512i dot = _mm512_add_epi32(_mm512_slli_epi32(high[r], 8), low[r]);
        acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), s.d, acc[r]);
      }
      if constexpr (has_min && !apart) add_offsets<kind, rows>(x, index, k, s.m, offset);
    }
  }
  if constexpr (has_min && apart) {
    for (size_t i = 0; i < static_cast<size_t>(num_tiles * groups); ++i) {
      const ScaleMin s = scale_min<kind>(scales, scales_each * i);
      add_offsets<kind, rows>(x, i, k, s.m, offset);
    }
  }
  for (int r = 0; r < rows; ++r) {
    const __m512 total = has_min ? _mm512_add_ps(acc[r], offset[r]) : acc[r];
    _mm512_storeu_ps(sums + 16 * r, _mm512_mul_ps(total, _mm512_set1_ps(x.scales[r])));
  }
}

// Where a scratch of vnni_scratch bytes keeps what.
struct Scratch {
  int8_t* planes;
  float* sums;
  int32_t* offsets;
  float* scales;
};
inline Scratch lay_out(void* scratch, int m, int k) {
  const auto rows = static_cast<size_t>(avx512::vnni_padded_rows(m));
  Scratch out;
  out.planes = static_cast<int8_t*>(scratch);
  out.sums = reinterpret_cast<float*>(out.planes + rows * 2 * padded_k(k));
  out.offsets = reinterpret_cast<int32_t*>(out.sums + rows * sums_of_a_row(padded_k(k)));
  out.scales = reinterpret_cast<float*>(out.offsets + rows * sums_of_a_row(padded_k(k)));
  return out;
}

// Row `r` of a group of `group` rows whose planes begin at `planes`.
float quantize_into(const float* x, int k, int8_t* planes, int group, int r, float* sums,
                    int32_t* offsets) {
  const size_t padded = padded_k(k);
  float* const sums32 = sums + padded / 16;
  const float scale = quantize_row(x, k, sums, sums32, [&](int b, __m256i high, __m256i low) {
    const __m256i even = _mm256_unpacklo_epi32(high, low);  // quads 0 1 4 5, high and low
    const __m256i odd = _mm256_unpackhi_epi32(high, low);   // quads 2 3 6 7
    alignas(32) int64_t quads[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(quads),
                       _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_store_si256(reinterpret_cast<__m256i*>(quads + 4),
                       _mm256_permute2x128_si256(even, odd, 0x31));
    int8_t* to =
        planes +
        (static_cast<size_t>(b) * 8 * static_cast<size_t>(group) + static_cast<size_t>(r)) * 8;
    for (int q = 0; q < 8; ++q, to += 8 * group) __builtin_memcpy(to, quads + q, 8);
  });
  float all = 0;
  for (size_t b = 0; b < padded / 32; ++b) all += sums32[b];
  sums32[padded / 32] = all;
  for (size_t i = 0; i < padded / 16 + padded / 32; ++i) {
    offsets[i] = -128 * static_cast<int32_t>(sums[i]);  // a whole number below 2^20
  }
  return scale;
}

// A row that is not there.
void put_zeros(int k, int8_t* planes, int group, int r, float* sums, int32_t* offsets) {
  const size_t padded = padded_k(k);
  for (size_t quad = 0; quad < padded / 4; ++quad) {
    int8_t* to = planes + (quad * static_cast<size_t>(group) + static_cast<size_t>(r)) * 8;
    __builtin_memset(to, 0, 8);
  }
  for (size_t i = 0; i < sums_of_a_row(padded); ++i) {
    sums[i] = 0.0f;
    offsets[i] = 0;
  }
}

}  // namespace

namespace avx512 {

int vnni_block_rows(int k) {
  constexpr size_t kPlaneBytes = 512 * 1024;
  const size_t rows = kPlaneBytes / (2 * padded_k(k)) / 8 * 8;
  return rows < 64 ? 64 : rows > 512 ? 512 : static_cast<int>(rows);
}

size_t vnni_scratch(int m, int k) {
  const auto rows = static_cast<size_t>(vnni_padded_rows(m));
  const size_t floats = rows * (2 * sums_of_a_row(padded_k(k)) + 1);
  return round_up(rows * 2 * padded_k(k) + 4 * floats, size_t{64});
}

VnniInput vnni_quantize(const ExecView& exec, const GemmArgs& args, void* scratch) {
  const Scratch to = lay_out(scratch, args.m, args.k);
  const size_t padded = padded_k(args.k);
  prepare_row_groups(exec, args, [&](const float* x, int first, int r, int group) {
    int8_t* planes = to.planes + static_cast<size_t>(first) * 2 * padded;
    const size_t at = static_cast<size_t>(first + r) * sums_of_a_row(padded);
    float* sums = to.sums + at;
    int32_t* offsets = to.offsets + at;
    float scale = 0.0f;
    if (x == nullptr) {
      put_zeros(args.k, planes, group, r, sums, offsets);
    } else {
      scale = quantize_into(x, args.k, planes, group, r, sums, offsets);
    }
    to.scales[first + r] = scale;
  });
  return {args.m, static_cast<int>(padded_k(args.k)), to.planes, to.sums, to.offsets, to.scales};
}

bool vnni_can(DType kind) {
  return kind != DType::f32 && kind != DType::bf16 && kind != DType::f16;
}

void multiply_panel_vnni(const VnniInput& x, const PackedWeight& weight, int panel, float* sums) {
  with_kind(weight.kind, [&]<DType kind>() {
    if constexpr (Traits<kind>::values != Values::f32 && Traits<kind>::values != Values::pair) {
      for_row_groups(x.rows, [&]<int count>(int first, Pass pass) {
        const Rows rows = rows_of(x, first);
        if constexpr (Traits<kind>::scales == Scales::row) {
          multiply_row_scaled<count>(rows, weight, panel, pass, sums + 16 * first);
        } else {
          multiply<kind, count>(rows, weight, panel, pass, sums + 16 * first);
        }
      });
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
