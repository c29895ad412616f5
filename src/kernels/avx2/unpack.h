// Quants and scales of a block out of a tile (layout.h).
#pragma once

#include "kernels/avx2/layout.h"

namespace millrace::kernels::avx2 {
namespace {

// Every 16-bit word shifted so that its bit kFrom becomes bit 4; the caller masks what leaks
// between bytes.
template <int kFrom>
MILLRACE_INLINE __m256i move_to_bit4(__m256i words) {
  if constexpr (kFrom < 4) return _mm256_slli_epi16(words, 4 - kFrom);
  return _mm256_srli_epi16(words, kFrom - 4);
}

// Four bytes of each row: elements 4c .. 4c + 3 of the block, five or six bits each.
template <Quants kQuants, int c>
MILLRACE_INLINE __m256i four_bytes(const uint8_t* block) {
  const __m256i nibbles = load256(block + 32 * (c / 2));
  const __m256i low =
      _mm256_and_si256(c % 2 == 0 ? nibbles : _mm256_srli_epi16(nibbles, 4), _mm256_set1_epi8(0xf));
  constexpr int kPair = kQuants == Quants::six ? c / 4 : 0;
  constexpr int kBit = kQuants == Quants::six ? c % 4 * 2 : c;
  const __m256i high = move_to_bit4<kBit>(load256(block + 128 + 32 * kPair));
  return _mm256_or_si256(
      low, _mm256_and_si256(high, _mm256_set1_epi8(kQuants == Quants::six ? 0x30 : 0x10)));
}

// each(step, w) for steps 2c and 2c + 1 of a block: w holds the step's elements of eight rows as
// 16-bit pairs.
template <Quants kQuants, int c, class Each>
MILLRACE_INLINE void visit_two_steps(const uint8_t* block, const Each& each) {
  if constexpr (kQuants == Quants::eight) {
    each(2 * c, _mm256_cvtepi8_epi16(load128(block + 32 * c)));
    each(2 * c + 1, _mm256_cvtepi8_epi16(load128(block + 32 * c + 16)));
  } else if constexpr (kQuants == Quants::four) {
    const __m256i low = _mm256_set1_epi16(0xf);
    const __m256i nibbles = load256(block + 32 * (c / 2));
    if constexpr (c % 2 == 0) {
      each(2 * c, _mm256_and_si256(nibbles, low));
      each(2 * c + 1, _mm256_and_si256(_mm256_srli_epi16(nibbles, 8), low));
    } else {
      each(2 * c, _mm256_and_si256(_mm256_srli_epi16(nibbles, 4), low));
      each(2 * c + 1, _mm256_srli_epi16(nibbles, 12));
    }
  } else {
    const __m256i bytes = four_bytes<kQuants, c>(block);
    each(2 * c, _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)));
    each(2 * c + 1, _mm256_srli_epi16(bytes, 8));
  }
}

template <Quants kQuants, int kFirst, int kSteps, class Each>
MILLRACE_INLINE void visit(const uint8_t* block, const Each& each) {
  if constexpr (kSteps > 0) {
    visit_two_steps<kQuants, kFirst / 2>(block, each);
    visit<kQuants, kFirst + 2, kSteps - 2>(block, each);
  }
}

// d and m of the eight rows: weight = d · q + m (m only where kHasMin).
struct ScalePair {
  __m256 d, m;
};

// Blocks that share one of the plain pairs; 0: other forms.
template <Scales kScales>
constexpr size_t kBlocksOfMin = kScales == Scales::d_m       ? 1
                                : kScales == Scales::d_m_64  ? 2
                                : kScales == Scales::d_m_128 ? 4
                                                             : 0;

template <Scales kScales>
MILLRACE_INLINE ScalePair scales_of(const uint8_t* scales, int block, int unit) {
  const auto b = static_cast<size_t>(block);
  ScalePair pair = {_mm256_set1_ps(1.0f), _mm256_setzero_ps()};
  if constexpr (kScales == Scales::d) pair.d = load_f16(scales + 16 * b);
  if constexpr (kBlocksOfMin<kScales> != 0) {
    const uint8_t* at = scales + 32 * (b / kBlocksOfMin<kScales>);
    pair.d = load_f16(at);
    pair.m = load_f16(at + 16);
  }
  if constexpr (kScales == Scales::k) {
    const uint8_t* super = scales + 160 * (b / 8);
    const uint8_t* sub = super + 32 + 16 * (b % 8);
    pair.d = _mm256_mul_ps(load_f16(super), load_u8(sub));
    pair.m =
        _mm256_sub_ps(_mm256_setzero_ps(), _mm256_mul_ps(load_f16(super + 16), load_u8(sub + 8)));
  }
  if constexpr (kScales == Scales::q6) {
    const uint8_t* super = scales + 144 * (b / 8);
    pair.d = _mm256_mul_ps(load_f16(super),
                           load_i8(super + 16 + 8 * (2 * (b % 8) + static_cast<size_t>(unit))));
  }
  return pair;
}

}  // namespace
}  // namespace millrace::kernels::avx2
