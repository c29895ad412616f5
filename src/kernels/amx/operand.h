// Operands of products on tiles (kernels.h): rows of bf16 in the order that the B tiles of their
// weights want (widen.h), 32 k of a row in one line.
#pragma once

#include "kernels/amx/widen.h"

namespace millrace::kernels {
namespace {

constexpr int kPlainOperand = 1, kCodedOperand = 2;  // Operand::form

inline int form_of(Order order) {
  return order == Order::plain ? kPlainOperand : kCodedOperand;
}
inline Order order_of_form(int form) {
  return form == kPlainOperand ? Order::plain : Order::coded;
}

// Bytes between rows: an odd number of lines, against set conflicts.
inline size_t operand_stride(int k) {
  return padded_k(k) / 32 * 64 + 64;
}

// 16 values of a row, the first at a multiple of 16.
inline void put_operand16(uint8_t* row, int column, __m512 v, Order order) {
  __m256i words;
  if (order == Order::plain) {
    words = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v));
  } else {
    words = reinterpret_cast<__m256i>(
        _mm512_cvtneps_pbh(_mm512_mul_ps(v, _mm512_set1_ps(kCodedFactor))));
    words = _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(_mm_set_epi32(
                                           0x0f0e0b0a, 0x0d0c0908, 0x07060302, 0x05040100)));
  }
  _mm256_store_si256(reinterpret_cast<__m256i*>(row + 2 * column), words);
}

}  // namespace
}  // namespace millrace::kernels
