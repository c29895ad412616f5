// Registers of codes and scales out of a panel (panel.h), for every kind.
#pragma once

#include "kernels/avx512/ask.h"
#include "kernels/avx512/bits.h"
#include "kernels/avx512/panel.h"
#include "kernels/avx512/simd.h"

namespace millrace::kernels {
namespace {

// Quad row r (0..15) of the 64-k tile at `tile`: 16 outputs × 4 unsigned codes.
template <Values values>
inline __m512i code_row(const uint8_t* tile, int r) {
  if constexpr (values == Values::u8) {
    return _mm512_loadu_si512(tile + 64 * r);
  } else if constexpr (values == Values::u4) {
    const __m512i v = _mm512_loadu_si512(tile + 256 * (r / 8) + 64 * (r % 4));
    const __m512i low = _mm512_set1_epi8(0xf);
    return _mm512_and_si512(r % 8 < 4 ? v : _mm512_srli_epi16(v, 4), low);
  } else if constexpr (values == Values::u5) {
    return take_five(tile + 320 * (r / 8), r % 8);
  } else {
    return take_six(tile + 192 * (r / 4), r % 4);
  }
}

// k that share a scale inside a tile.
template <DType kind>
constexpr int kGroup = kind == DType::q6_k ? 16 : 32;

struct ScaleMin {
  __m512 d, m;  // m is unset where the kind has no minimum
};

template <DType kind>
constexpr bool kHasMin = Traits<kind>::scales == Scales::dm || Traits<kind>::scales == Scales::k;

// Of group g (k / kGroup) of the panel whose scales begin at `scales`.
template <DType kind>
inline ScaleMin scale_min(const uint8_t* scales, size_t g) {
  constexpr Scales form = Traits<kind>::scales;
  ScaleMin out;
  out.m = _mm512_setzero_ps();
  if constexpr (form == Scales::row) {
    out.d = _mm512_loadu_ps(scales);
  } else if constexpr (form == Scales::d) {
    out.d = load_half16(scales + 32 * g);
  } else if constexpr (form == Scales::dm) {
    const uint8_t* pair = scales + 64 * (g / kBlocksAScale<kind>);
    out.d = load_half16(pair);
    out.m = load_half16(pair + 32);
  } else if constexpr (form == Scales::k) {
    const uint8_t* super = scales + g / 8 * kSuperScaleBytes;
    out.d = _mm512_mul_ps(load_half16(super + 256), load_u8x16(super + 16 * (g % 8)));
    out.m = _mm512_mul_ps(load_half16(super + 288), load_u8x16(super + 128 + 16 * (g % 8)));
  } else {
    const uint8_t* super = scales + g / 16 * kSuperScaleBytes;
    out.d = _mm512_mul_ps(load_half16(super + 256), load_i8x16(super + 16 * (g % 16)));
  }
  return out;
}

// The same with m what a product adds for each Σ x of the group: -d·zero where there is no minimum.
template <DType kind>
inline ScaleMin scale_and_offset(const uint8_t* scales, size_t g) {
  ScaleMin s = scale_min<kind>(scales, g);
  if constexpr (!kHasMin<kind>) {
    s.m = _mm512_mul_ps(s.d, _mm512_set1_ps(-static_cast<float>(Traits<kind>::zero)));
  }
  return s;
}

// How far ahead one core must ask for memory to be served in time: measured, Zen 4 wants 16 KiB
// (2 KiB costs it a third of its bandwidth), and Sapphire Rapids no more than 2.
inline size_t lookahead_distance() {
  return __builtin_cpu_is("amd") ? 16384 : 2048;
}

// The same of each panel that is read side by side with others.
template <Cache into>
constexpr size_t kAskedCodes = into == Cache::second ? 2048 : 1536;
constexpr size_t kAskedFloats = 1024;  // bf16 and f16 too

// Asks for what lies lookahead_distance() bytes further on, values and scales of this panel and the
// next ones, at the pace at which the panel is used up.
struct Lookahead {
  Lookahead(const uint8_t* panel, size_t bytes_)
      : start(panel + lookahead_distance()), end(bytes_) {}
  // For one of several passes over a panel: its share of the panel behind, so that memory is busy
  // while every pass computes.
  Lookahead(const uint8_t* panel, size_t bytes_, int pass, int passes)
      : start(panel + bytes_),
        at(share(bytes_, pass, passes)),
        end(share(bytes_, pass + 1, passes)) {
    first = at;
  }
  void upto(int step, int steps) {
    const size_t until =
        first + (end - first) * static_cast<size_t>(step) / static_cast<size_t>(steps);
    for (; at < until; at += 64) _mm_prefetch(start + at, _MM_HINT_T1);
  }
  static size_t share(size_t bytes, int pass, int passes) {
    return bytes * static_cast<size_t>(pass) / static_cast<size_t>(passes) / 64 * 64;
  }
  const uint8_t* start;
  size_t first = 0, at = 0, end;
};

// Of pass `pass` of `passes` with `rows` rows each: where few rows leave memory no time to lose,
// what comes next, else the panel behind.
inline Lookahead look_ahead(const uint8_t* panel, size_t bytes, int rows, int pass, int passes) {
  const bool has_time = rows > 2 || passes > 1;
  return has_time ? Lookahead(panel, bytes, pass, passes) : Lookahead(panel, bytes);
}

// The two k of a vector of a bf16 or f16 panel.
struct EvenOdd {
  __m512 even, odd;
};
template <DType kind>
inline EvenOdd even_and_odd(__m512i v) {
  if constexpr (kind == DType::bf16) {
    return {
        _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)),
        _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
  } else {
    return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)),
            _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16)))};
  }
}

// Tile t (64 k) of the panel as f32 [64][16].
template <DType kind>
inline void decode_tile(const uint8_t* panel, int k, int t, float* out) {
  constexpr Values values = Traits<kind>::values;
  if constexpr (values == Values::f32) {
    const uint8_t* from = panel + static_cast<size_t>(t) * kTileK * 64;
    for (int i = 0; i < kTileK; ++i) _mm512_store_ps(out + 16 * i, _mm512_loadu_ps(from + 64 * i));
  } else if constexpr (values == Values::pair) {
    const uint8_t* from = panel + static_cast<size_t>(t) * kTileK * 32;
    for (int i = 0; i < kTileK / 2; ++i) {
      const EvenOdd w = even_and_odd<kind>(_mm512_loadu_si512(from + 64 * i));
      _mm512_store_ps(out + 32 * i, w.even);
      _mm512_store_ps(out + 32 * i + 16, w.odd);
    }
  } else {
    const uint8_t* tile = panel + static_cast<size_t>(t) * kTileBytes<values>;
    const uint8_t* scales = panel + values_bytes<kind>(k);
    constexpr int group = kGroup<kind>;
    const __m512i byte = _mm512_set1_epi32(0xff);
    const __m512i zero = _mm512_set1_epi32(Traits<kind>::zero);
#pragma GCC unroll 4
    for (int g = 0; g < kTileK / group; ++g) {
      const ScaleMin s = scale_min<kind>(
          scales, static_cast<size_t>(t) * (kTileK / group) + static_cast<size_t>(g));
#pragma GCC unroll 8
      for (int i = 0; i < group / 4; ++i) {
        const int r = g * group / 4 + i;
        const __m512i v = code_row<values>(tile, r);
        const __m512i codes[4] = {
            _mm512_and_si512(v, byte), _mm512_and_si512(_mm512_srli_epi32(v, 8), byte),
            _mm512_and_si512(_mm512_srli_epi32(v, 16), byte), _mm512_srli_epi32(v, 24)};
        for (int j = 0; j < 4; ++j) {
          const __m512 q = _mm512_cvtepi32_ps(_mm512_sub_epi32(codes[j], zero));
          const __m512 w = kHasMin<kind> ? _mm512_fmadd_ps(q, s.d, s.m) : _mm512_mul_ps(q, s.d);
          _mm512_store_ps(out + 16 * (4 * r + j), w);
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::kernels
