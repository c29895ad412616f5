// Rows of x as single bytes with a scale for each 32, against quantised weights: what
// Precision::fast asks for. As gemm_vnni.cc, with one vpdpbusd where that needs two.
#include "kernels/avx512/decode.h"
#include "kernels/avx512/gemm.h"
#include "kernels/avx512/quantize.h"
#include "kernels/avx512/row_groups.h"

namespace millrace::kernels {
namespace {

// One group's rows.
struct Rows {
  const int8_t* bytes;
  const float* scales;
  const float* sums;
  size_t scales_stride, sums_stride;

  float scale(int r, size_t block) const {
    return scales[static_cast<size_t>(r) * scales_stride + block];
  }
};

inline size_t scales_of_a_row(size_t k) {
  return k / kBlock;
}
inline size_t sums_of_a_row(size_t k) {
  return k / 16 + k / 32;
}

// Offsets take a pass of their own: the first leaves no register for them.
template <DType kind, int rows>
inline void add_offsets(const Rows& x, const uint8_t* scales, size_t k, __m512* acc) {
  constexpr size_t group = kGroup<kind>;
  const float* sums = group == 16 ? x.sums : x.sums + k / 16;
  for (size_t i = 0; i < k / group; ++i) {
    const __m512 m = scale_and_offset<kind>(scales, i).m;
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const float sum = sums[static_cast<size_t>(r) * x.sums_stride + i];
      acc[r] = _mm512_fmadd_ps(m, _mm512_set1_ps(sum), acc[r]);
    }
  }
}

template <DType kind, int rows>
void multiply(const Rows& x, const PackedWeight& weight, int panel, Pass pass, float* sums) {
  constexpr Values values = Traits<kind>::values;
  constexpr int group = kGroup<kind>, groups = kTileK / group;
  const uint8_t* tile = panel_at<kind>(weight, panel);
  const uint8_t* scales = tile + values_bytes<kind>(weight.k);
  const size_t k = padded_k(weight.k);
  const int num_tiles = static_cast<int>(k) / kTileK;
  Lookahead ahead = look_ahead(tile, panel_bytes<kind>(weight.k), rows, pass.index, pass.count);
  __m512 acc[rows];
  for (int r = 0; r < rows; ++r) acc[r] = _mm512_setzero_ps();
  add_offsets<kind, rows>(x, scales, k, acc);
  const int8_t* four = x.bytes;
  for (int t = 0; t < num_tiles; ++t, tile += kTileBytes<values>) {
    ahead.upto(t + 1, num_tiles);
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g) {
      __m512i dot[rows];
      for (int r = 0; r < rows; ++r) dot[r] = _mm512_setzero_si512();
#pragma GCC unroll 8
      for (int i = 0; i < group / 4; ++i, four += 4 * rows) {
        const __m512i codes = code_row<values>(tile, g * (group / 4) + i);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
          dot[r] = _mm512_dpbusd_epi32(dot[r], codes, broadcast4(four + 4 * r));
        }
      }
      const auto index = static_cast<size_t>(t * groups + g);
      const __m512 d = scale_min<kind>(scales, index).d;
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const float scale = x.scale(r, index * group / kBlock);
        acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[r]),
                                 _mm512_mul_ps(d, _mm512_set1_ps(scale)), acc[r]);
      }
    }
  }
  for (int r = 0; r < rows; ++r) _mm512_storeu_ps(sums + 16 * r, acc[r]);
}

struct Scratch {
  int8_t* bytes;
  float* scales;
  float* sums;
};
inline Scratch lay_out(void* scratch, int m, int k) {
  const auto rows = static_cast<size_t>(avx512::vnni_padded_rows(m));
  Scratch out;
  out.bytes = static_cast<int8_t*>(scratch);
  out.scales = reinterpret_cast<float*>(out.bytes + rows * padded_k(k));
  out.sums = out.scales + rows * scales_of_a_row(padded_k(k));
  return out;
}

// Row `r` of a group of `group` rows; rows that are not there (x null) are zero.
void quantize_into(const float* x, int k, int8_t* bytes, int group, int r, float* scales,
                   float* sums) {
  const int num_blocks = static_cast<int>(padded_k(k)) / kBlock;
  float* const sums32 = sums + 2 * static_cast<size_t>(num_blocks);
  for (int b = 0; b < num_blocks; ++b) {
    const int left = k - b * kBlock;
    const int count = x == nullptr || left < 0 ? 0 : left < kBlock ? left : kBlock;
    const float* from = count > 0 ? x + b * kBlock : nullptr;
    const float largest = count > 0 ? row_largest(from, count) : 0.0f;
    constexpr float kTiny = 1e-30f;  // its inverse is still finite
    const float inverse = largest >= kTiny ? 127.0f / largest : 0.0f;
    const float scale = largest < kTiny ? 0.0f : largest / 127.0f;  // NaN stays
    alignas(16) int8_t block[kBlock] = {};
    for (int h = 0; h < 2; ++h) {
      __m512i q = _mm512_setzero_si512();
      if (count > 16 * h) {
        const __m512 v = load_row16(from, 16 * h, count);
        q = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(inverse)));
      }
      _mm_store_si128(reinterpret_cast<__m128i*>(block + 16 * h), _mm512_cvtsepi32_epi8(q));
      sums[2 * b + h] = scale * static_cast<float>(_mm512_reduce_add_epi32(q));
    }
    scales[b] = scale;
    sums32[b] = sums[2 * b] + sums[2 * b + 1];
    int8_t* to =
        bytes +
        (static_cast<size_t>(b) * 8 * static_cast<size_t>(group) + static_cast<size_t>(r)) * 4;
    for (int q = 0; q < 8; ++q, to += 4 * group) __builtin_memcpy(to, block + 4 * q, 4);
  }
}

}  // namespace

namespace avx512 {

size_t bytes_scratch(int m, int k) {
  const auto rows = static_cast<size_t>(vnni_padded_rows(m));
  const size_t padded = padded_k(k);
  const size_t floats = rows * (scales_of_a_row(padded) + sums_of_a_row(padded));
  return round_up(rows * padded + 4 * floats, size_t{64});
}

ByteInput bytes_quantize(const ExecView& exec, const GemmArgs& args, void* scratch) {
  const Scratch to = lay_out(scratch, args.m, args.k);
  const size_t padded = padded_k(args.k);
  prepare_row_groups(exec, args, [&](const float* x, int first, int r, int group) {
    const auto row = static_cast<size_t>(first + r);
    quantize_into(x, args.k, to.bytes + static_cast<size_t>(first) * padded, group, r,
                  to.scales + row * scales_of_a_row(padded), to.sums + row * sums_of_a_row(padded));
  });
  return {args.m, static_cast<int>(padded), to.bytes, to.scales, to.sums};
}

void multiply_panel_bytes(const ByteInput& x, const PackedWeight& weight, int panel, float* sums) {
  with_kind(weight.kind, [&]<DType kind>() {
    if constexpr (Traits<kind>::values != Values::f32 && Traits<kind>::values != Values::pair) {
      const auto k = static_cast<size_t>(x.k);
      for_row_groups(x.rows, [&]<int count>(int first, Pass pass) {
        const auto row = static_cast<size_t>(first);
        const Rows rows = {x.bytes + row * k, x.scales + row * scales_of_a_row(k),
                           x.sums + row * sums_of_a_row(k), scales_of_a_row(k), sums_of_a_row(k)};
        multiply<kind, count>(rows, weight, panel, pass, sums + 16 * first);
      });
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
