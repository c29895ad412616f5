// Codes of five and six bits in vectors of bytes, so that few instructions take them out: most quad
// rows (panel.h) lie in the low bits of a vector of their own and one mask frees them, the others
// fill the upper bits.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace millrace::kernels {
namespace {

// Where the mask is set x, elsewhere y.
inline __m512i select_bits(int mask, __m512i x, __m512i y) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi8(static_cast<char>(mask)), x, y, 0xca);
}
inline __m512i only_bits(int mask, __m512i x) {
  return _mm512_and_si512(x, _mm512_set1_epi8(static_cast<char>(mask)));
}

// ---- six bits: 4 quad rows in 3 vectors. The fourth has bits 0 and 1, 2 and 3, 4 and 5 in the
// upper two of vectors 0, 1 and 2.

inline __m512i take_six(const uint8_t* run, int quad) {
  if (quad < 3) return only_bits(0x3f, _mm512_loadu_si512(run + 64 * quad));
  const __m512i first = _mm512_srli_epi16(_mm512_loadu_si512(run), 6);
  const __m512i second = _mm512_srli_epi16(_mm512_loadu_si512(run + 64), 4);
  const __m512i third = _mm512_srli_epi16(_mm512_loadu_si512(run + 128), 2);
  return only_bits(0x3f, select_bits(0xf, select_bits(0x3, first, second), third));
}

inline void put_six(const __m512i* codes, uint8_t* run) {
  for (int i = 0; i < 3; ++i) {
    const __m512i bits = _mm512_slli_epi16(codes[3], static_cast<unsigned>(6 - 2 * i));
    _mm512_storeu_si512(run + 64 * i, select_bits(0x3f, codes[i], bits));
  }
}

// One byte: `run` is where it lies in vector 0, which is zero so far, as are the others.
inline void add_six(uint8_t* run, int quad, int code) {
  const auto add = [&](int vector, int bits) {
    run[64 * vector] = static_cast<uint8_t>(run[64 * vector] | bits);
  };
  if (quad < 3) return add(quad, code);
  for (int i = 0; i < 3; ++i) add(i, (code >> (2 * i) & 3) << 6);
}

// ---- five bits: 8 quad rows in 5 vectors. Three bits above each hold quad rows 5, 6 and 7: their
// bits 0 to 2 those of vectors 0, 1 and 2. Bits 3 and 4 of quad rows 5 and 6 are the upper two of
// vectors 3 and 4, those of quad row 7 bit 5 of each.

inline __m512i take_five(const uint8_t* run, int quad) {
  const auto shifted = [&](int vector, unsigned by) {
    return _mm512_srli_epi16(_mm512_loadu_si512(run + 64 * vector), by);
  };
  if (quad < 5) return only_bits(0x1f, _mm512_loadu_si512(run + 64 * quad));
  const __m512i upper =
      quad < 7 ? shifted(quad - 2, 3) : select_bits(0x8, shifted(3, 2), shifted(4, 1));
  return only_bits(0x1f, select_bits(0x7, shifted(quad - 5, 5), upper));
}

inline void put_five(const __m512i* codes, uint8_t* run) {
  const __m512i seven_3 = _mm512_slli_epi16(codes[7], 2), seven_4 = _mm512_slli_epi16(codes[7], 1);
  const __m512i above[] = {_mm512_slli_epi16(codes[5], 5), _mm512_slli_epi16(codes[6], 5),
                           _mm512_slli_epi16(codes[7], 5),
                           select_bits(0x20, seven_3, _mm512_slli_epi16(codes[5], 3)),
                           select_bits(0x20, seven_4, _mm512_slli_epi16(codes[6], 3))};
  for (int i = 0; i < 5; ++i) {
    _mm512_storeu_si512(run + 64 * i, select_bits(0x1f, codes[i], above[i]));
  }
}

// As add_six.
inline void add_five(uint8_t* run, int quad, int code) {
  const auto add = [&](int vector, int bits) {
    run[64 * vector] = static_cast<uint8_t>(run[64 * vector] | bits);
  };
  if (quad < 5) return add(quad, code);
  add(quad - 5, (code & 7) << 5);
  if (quad < 7) return add(quad - 2, code >> 3 << 6);
  add(3, (code >> 3 & 1) << 5);
  add(4, (code >> 4) << 5);
}

}  // namespace
}  // namespace millrace::kernels
