// Packing of whole panels of kinds whose source has the panel's order of bytes, or nearly: 16 bytes
// of 16 rows are turned at a time. pack.cc does the rest (other kinds, cut panels, scales) byte by
// byte, and the same.
#pragma once

#include <immintrin.h>

#include "kernels/avx512/bits.h"
#include "kernels/avx512/panel.h"

namespace millrace::kernels {
namespace {

// Bytes of a block of the source.
template <DType kind>
constexpr size_t kSourceBytes = kind == DType::q4_0      ? 18
                                : kind == DType::q4_1    ? 20
                                : kind == DType::q5_0    ? 22
                                : kind == DType::q5_1    ? 24
                                : kind == DType::q8_0    ? 34
                                : kind == DType::q4_k    ? 144
                                : kind == DType::q5_k    ? 176
                                : kind == DType::q6_k    ? 210
                                : kind == DType::q4_g64  ? 36
                                : kind == DType::q4_g128 ? 68
                                                         : 32;

struct Quads {
  __m512i of[4];
};

// 16 bytes of 16 rows, `stride` apart, turned: dword n of vector i is dword i of row n.
Quads turn(const uint8_t* from, int64_t stride) {
  const auto rows_from = [&](int j) {  // rows j, j+4, j+8 and j+12
    const auto row = [&](int r) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + r * stride));
    };
    __m512i v = _mm512_castsi128_si512(row(j));
    v = _mm512_inserti32x4(v, row(j + 4), 1);
    v = _mm512_inserti32x4(v, row(j + 8), 2);
    return _mm512_inserti32x4(v, row(j + 12), 3);
  };
  const __m512i a = rows_from(0), b = rows_from(1), c = rows_from(2), d = rows_from(3);
  const __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
  return {{_mm512_unpacklo_epi64(ab_low, cd_low), _mm512_unpackhi_epi64(ab_low, cd_low),
           _mm512_unpacklo_epi64(ab_high, cd_high), _mm512_unpackhi_epi64(ab_high, cd_high)}};
}

void put(const Quads& quads, uint8_t* to) {
  for (int i = 0; i < 4; ++i) _mm512_storeu_si512(to + 64 * i, quads.of[i]);
}

inline Quads map(const Quads& a, const Quads& b, auto f) {
  return {{f(a.of[0], b.of[0]), f(a.of[1], b.of[1]), f(a.of[2], b.of[2]), f(a.of[3], b.of[3])}};
}

// The low nibbles of both, or the high ones: a's below b's.
inline Quads low_nibbles(const Quads& a, const Quads& b) {
  return map(a, b,
             [](__m512i x, __m512i y) { return select_bits(0xf, x, _mm512_slli_epi16(y, 4)); });
}
inline Quads high_nibbles(const Quads& a, const Quads& b) {
  return map(a, b,
             [](__m512i x, __m512i y) { return select_bits(0xf, _mm512_srli_epi16(x, 4), y); });
}

// Nibble `upper` (0 or 1) of every byte of x, and above it `count` bits of y from bit `from` on.
inline __m512i joined(__m512i x, int upper, __m512i y, int from, int count) {
  const __m512i nibbles =
      _mm512_and_si512(upper != 0 ? _mm512_srli_epi16(x, 4) : x, _mm512_set1_epi8(0xf));
  const __m512i bits = _mm512_and_si512(_mm512_srli_epi16(y, static_cast<unsigned>(from)),
                                        _mm512_set1_epi8(static_cast<char>((1 << count) - 1)));
  return _mm512_or_si512(nibbles, _mm512_slli_epi16(bits, 4));
}

template <DType kind>
constexpr bool kTurns =
    Traits<kind>::values == Values::pair || kind == DType::q8_0 || kind == DType::i8 ||
    Traits<kind>::values == Values::u4 || kind == DType::q5_k || kind == DType::q6_k;

// k that turn_block takes at once.
template <DType kind>
constexpr int kTurnedK = kind == DType::q6_k                          ? 4 * kBlock
                         : kind == DType::q4_k || kind == DType::q5_k ? 2 * kBlock
                                                                      : kBlock;

// q5_k: 64 k in the low and the high nibbles of 32 bytes, their fifth bits two bits of 32 others.
inline void turn_q5_k(const uint8_t* super, int64_t stride, int pair, uint8_t* tile) {
  const Quads low[] = {turn(super + 48 + 32 * pair, stride), turn(super + 64 + 32 * pair, stride)};
  const Quads fifth[] = {turn(super + 16, stride), turn(super + 32, stride)};
  for (int block = 0; block < 2; ++block) {
    __m512i codes[8];
    for (int i = 0; i < 8; ++i) {
      codes[i] = joined(low[i / 4].of[i % 4], block, fifth[i / 4].of[i % 4], 2 * pair + block, 1);
    }
    put_five(codes, tile + 320 * block);
  }
}

// q6_k: 128 k in the nibbles of 64 bytes, their upper bit pairs in 32 others: two tiles.
inline void turn_q6_k(const uint8_t* super, int64_t stride, int half, uint8_t* tiles) {
  const uint8_t *from = super + 64 * half, *upper = super + 128 + 32 * half;
  for (int i = 0; i < 2; ++i) {
    const Quads high = turn(upper + 16 * i, stride);
    const Quads low[] = {turn(from + 16 * i, stride), turn(from + 32 + 16 * i, stride)};
    for (int run = 0; run < 4; ++run) {  // of 32 k
      __m512i codes[4];
      for (int q = 0; q < 4; ++q) {
        codes[q] = joined(low[run % 2].of[q], run / 2, high.of[q], 2 * run, 2);
      }
      put_six(codes, tiles + 384 * run + 192 * i);
    }
  }
}

// Block b of kTurnedK values of 16 rows, the first of which begins at `rows`.
template <DType kind>
void turn_block(const uint8_t* rows, int64_t stride, size_t b, uint8_t* values) {
  constexpr size_t bytes = kSourceBytes<kind>;
  if constexpr (Traits<kind>::values == Values::pair) {
    for (size_t i = 0; i < 4; ++i) {
      put(turn(rows + 64 * b + 16 * i, stride), values + 1024 * b + 256 * i);
    }
  } else if constexpr (Traits<kind>::values == Values::u8) {
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    for (size_t i = 0; i < 2; ++i) {
      const Quads quads = turn(rows + bytes * b + (bytes - kBlock) + 16 * i, stride);
      put(map(quads, quads, [&](__m512i v, __m512i) { return _mm512_xor_si512(v, sign); }),
          values + 512 * b + 256 * i);
    }
  } else if constexpr (kind == DType::q4_k) {
    const uint8_t* from = rows + b / 4 * bytes + 16 + b % 4 * 32;
    const Quads first = turn(from, stride), second = turn(from + 16, stride);
    put(low_nibbles(first, second), values + 512 * b);
    put(high_nibbles(first, second), values + 512 * b + 256);
  } else if constexpr (kind == DType::q5_k) {
    turn_q5_k(rows + b / 4 * bytes, stride, static_cast<int>(b % 4),
              values + kTileBytes<Values::u5> * b);
  } else if constexpr (kind == DType::q6_k) {
    turn_q6_k(rows + b / 2 * bytes, stride, static_cast<int>(b % 2),
              values + 2 * kTileBytes<Values::u6> * b);
  } else {
    constexpr size_t span = kBlocksAScale<kind>, head = bytes - 16 * span;
    put(turn(rows + b / span * bytes + head + b % span * 16, stride), values + 256 * b);
  }
}

}  // namespace
}  // namespace millrace::kernels
