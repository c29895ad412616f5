// Weights as bf16 B tiles (16 rows of pairs of k × 16 outputs, 1 KiB for 32 k).
//
// Plain kinds keep the order of k. Codes are decoded in f16, 32 lanes at a time, and their f16 bits
// are shifted into bf16 position without correcting the exponent, which makes every weight
// 2^-112 too small; with the 2^8 by which the scales are multiplied first (so that small weights do
// not become f16 subnormals) a tile holds w·2^-104, and activations for it are multiplied by 2^104
// (Order::coded). Both are powers of two: nothing is lost. Of four neighbouring k the pairs are
// (0, 2) and (1, 3): the even and the odd bytes of a dword of codes.
#pragma once

#include "kernels/avx512/decode.h"

namespace millrace::kernels {
namespace {

enum class Order { plain, coded };
constexpr float kCodedFactor = 0x1p104f;

template <DType kind>
constexpr Order kOrder =
    Traits<kind>::values == Values::f32 || Traits<kind>::values == Values::pair ? Order::plain
                                                                                : Order::coded;

inline Order order_of(DType kind) {
  return with_kind(kind, []<DType which>() { return kOrder<which>; });
}

// Lanes (f16 × 16 of f32 × 16), each twice: what the two words of a dword of codes need.
inline __m512h twice_half(__m512 v) {
  const __m512i words = _mm512_cvtepu16_epi32(_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  return _mm512_castsi512_ph(_mm512_or_si512(words, _mm512_slli_epi32(words, 16)));
}

// f16 bits to bf16 bits of the value times 2^-112, rounded to nearest (ties away).
inline __m512i to_shifted_bf16(__m512h v) {
  // (v + 4) >> 3 in one instruction; the three copies of the sign are taken away.
  const __m512i rounded = _mm512_mulhrs_epi16(_mm512_castph_si512(v), _mm512_set1_epi16(1 << 12));
  return _mm512_and_si512(rounded, _mm512_set1_epi16(static_cast<int16_t>(0x8fff)));
}

inline __m512i decode_words(__m512i words, __m512h d, __m512h c) {
  return to_shifted_bf16(_mm512_fmadd_ph(_mm512_cvtepu16_ph(words), d, c));
}

// Two f32 vectors (k and k+1 of 16 outputs) as dwords of bf16 pairs.
inline __m512i pair_bf16(__m512 even, __m512 odd) {
  const __m512i halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(odd, even));
  const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                       23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(zip, halves);
}

// The 64-k tile t of the panel as two bf16 tiles, 2 KiB. between(i) is called 16 times on the way,
// i counting up: what it asks memory for is spread evenly.
template <DType kind, class Between>
inline void widen_tile(const uint8_t* panel, int k, int t, uint8_t* out, const Between& between) {
  constexpr Values values = Traits<kind>::values;
  if constexpr (values == Values::f32) {
    const uint8_t* from = panel + static_cast<size_t>(t) * kTileK * 64;
    for (int r = 0; r < kTileK / 2; ++r) {
      if (r % 2 == 0) between(r / 2);
      _mm512_store_si512(out + 64 * r, pair_bf16(_mm512_loadu_ps(from + 128 * r),
                                                 _mm512_loadu_ps(from + 128 * r + 64)));
    }
  } else if constexpr (kind == DType::bf16) {
    const uint8_t* from = panel + static_cast<size_t>(t) * kTileK * 32;
    for (int r = 0; r < kTileK / 2; ++r) {
      if (r % 2 == 0) between(r / 2);
      _mm512_store_si512(out + 64 * r, _mm512_loadu_si512(from + 64 * r));
    }
  } else if constexpr (kind == DType::f16) {
    const uint8_t* from = panel + static_cast<size_t>(t) * kTileK * 32;
    for (int r = 0; r < kTileK / 2; ++r) {
      if (r % 2 == 0) between(r / 2);
      const __m512i v = _mm512_loadu_si512(from + 64 * r);
      const __m512 even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
      const __m512 odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16)));
      _mm512_store_si512(out + 64 * r, pair_bf16(even, odd));
    }
  } else {
    const uint8_t* tile = panel + static_cast<size_t>(t) * kTileBytes<values>;
    const uint8_t* scales = panel + values_bytes<kind>(k);
    // One base and constant offsets: g++ would keep the addresses of all rows, in vector registers
    // where it has no others.
    asm("" : "+r"(tile), "+r"(out));
    constexpr int group = kGroup<kind>;
    const __m512i low_byte = _mm512_set1_epi16(0xff);
#pragma GCC unroll 4
    for (int g = 0; g < kTileK / group; ++g) {
      const ScaleMin s = scale_min<kind>(scales, static_cast<size_t>(t * (kTileK / group) + g));
      const __m512 d256 = _mm512_mul_ps(s.d, _mm512_set1_ps(256.0f));
      const __m512 c256 =
          kHasMin<kind>
              ? _mm512_mul_ps(s.m, _mm512_set1_ps(256.0f))
              : _mm512_mul_ps(d256, _mm512_set1_ps(-static_cast<float>(Traits<kind>::zero)));
      const __m512h d = twice_half(d256), c = twice_half(c256);
      if constexpr (values == Values::u4) {
        const __m512i nibble = _mm512_set1_epi16(0xf);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          const __m512i v = _mm512_loadu_si512(tile + 256 * g + 64 * i);
          between(8 * g + 2 * i);
          between(8 * g + 2 * i + 1);
          uint8_t* to = out + 1024 * g + 128 * i;
          _mm512_store_si512(to, decode_words(_mm512_and_si512(v, nibble), d, c));
          _mm512_store_si512(to + 64,
                             decode_words(_mm512_and_si512(_mm512_srli_epi16(v, 8), nibble), d, c));
          _mm512_store_si512(to + 512,
                             decode_words(_mm512_and_si512(_mm512_srli_epi16(v, 4), nibble), d, c));
          _mm512_store_si512(to + 576, decode_words(_mm512_srli_epi16(v, 12), d, c));
        }
      } else {
#pragma GCC unroll 8
        for (int i = 0; i < group / 4; ++i) {
          const int r = g * (group / 4) + i;
          between(r);
          const __m512i v = code_row<values>(tile, r);
          _mm512_store_si512(out + 128 * r, decode_words(_mm512_and_si512(v, low_byte), d, c));
          _mm512_store_si512(out + 128 * r + 64, decode_words(_mm512_srli_epi16(v, 8), d, c));
        }
      }
    }
  }
}

template <DType kind>
inline void widen_tile(const uint8_t* panel, int k, int t, uint8_t* out) {
  widen_tile<kind>(panel, k, t, out, [](int) {});
}

// Rows of x as bf16 A tiles in the order that B tiles of `order` want: 32 k of one row, 64 bytes.
inline __m512i activations32(const float* x, int i, int k, Order order) {
  __m512 a = i + 16 <= k ? _mm512_loadu_ps(x + i)
                         : _mm512_maskz_loadu_ps(i < k ? tail_mask(k - i) : __mmask16{0}, x + i);
  __m512 b = i + 32 <= k ? _mm512_loadu_ps(x + i + 16)
                         : _mm512_maskz_loadu_ps(i + 16 < k ? tail_mask(k - i - 16) : __mmask16{0},
                                                 x + i + 16);
  if (order == Order::plain) return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a));
  const __m512 factor = _mm512_set1_ps(kCodedFactor);
  const __m512i v = reinterpret_cast<__m512i>(
      _mm512_cvtne2ps_pbh(_mm512_mul_ps(b, factor), _mm512_mul_ps(a, factor)));
  // (0, 1, 2, 3) to (0, 2, 1, 3) in every four words.
  const __m512i swap = _mm512_set4_epi32(0x0f0e0b0a, 0x0d0c0908, 0x07060302, 0x05040100);
  return _mm512_shuffle_epi8(v, swap);
}

}  // namespace
}  // namespace millrace::kernels
