// clang-format off
// Packed weights. Eight rows make a tile, one row a 32-bit lane, so a dot product needs no sum across
// lanes. A tile of a quantised weight is its scales, then (from a 64-byte boundary) its quants in
// blocks of 32 elements. k is padded with zeros to whole blocks and n to whole tiles.
//
//   steps         a multiply-add takes two elements of each row: step s (of 16 in a block) takes
//                 elements 4u + p and 4u + 2 + p, where u = s / 2 and p = s % 2; x is kept so too
//   quants four   128 bytes a block; byte j of row r in the v-th 32 bytes holds element 8v + j in its
//                 low nibble and 8v + 4 + j in its high one
//   quants five   then 32 bytes of fifth bits: bit c of byte j of row r belongs to element 4c + j
//   quants six    or 64 bytes of upper pairs: pair t of byte j of row r in the u-th 32 bytes belongs
//                 to element 16u + 4t + j
//   quants eight  256 bytes a block; byte 16s + 2r + w is the w-th element of step s
//   scales d      a block: 8 × f16
//   scales d_m    a block: 8 × f16 d, 8 × f16 m
//   scales d_m_64, d_m_128  the same of 2 or 4 blocks
//   scales k      per 256: 8 × f16 d, 8 × f16 dmin, then for each of 8 blocks 8 × u8 scale, 8 × u8 min
//   scales q6     per 256: 8 × f16 d, then for each of 16 half blocks 8 × i8 scale
//   scales row    8 × f32
//   f32, f16      element k of row r at index 8k + r
//   bf16          pairs: element k of row r at index 16 (k / 2) + 2r + k % 2
// clang-format on
#pragma once

#include "kernels/avx2/simd.h"

namespace millrace::kernels::avx2 {
namespace {

constexpr int kTileRows = 8;
constexpr int kBlock = 32;
constexpr int kSuper = 256;

enum class Quants : uint8_t { four, five, six, eight };  // bits
enum class Scales : uint8_t { d, d_m, d_m_64, d_m_128, k, q6, row };

struct Format {
  bool plain;
  Quants quants;
  Scales scales;
  int offset;  // weight = d · (quant - offset) [+ m]; eight-bit quants are signed, others are not
};

MILLRACE_INLINE constexpr Format format_of(DType kind) {
  switch (kind) {
    case DType::q4_0:
      return {false, Quants::four, Scales::d, 8};
    case DType::q4_1:
      return {false, Quants::four, Scales::d_m, 0};
    case DType::q4_g64:
      return {false, Quants::four, Scales::d_m_64, 0};
    case DType::q4_g128:
      return {false, Quants::four, Scales::d_m_128, 0};
    case DType::q4_k:
      return {false, Quants::four, Scales::k, 0};
    case DType::q5_0:
      return {false, Quants::five, Scales::d, 16};
    case DType::q5_1:
      return {false, Quants::five, Scales::d_m, 0};
    case DType::q5_k:
      return {false, Quants::five, Scales::k, 0};
    case DType::q6_k:
      return {false, Quants::six, Scales::q6, 32};
    case DType::q8_0:
      return {false, Quants::eight, Scales::d, 0};
    case DType::i8:
      return {false, Quants::eight, Scales::row, 0};
    default:
      return {true, Quants::eight, Scales::row, 0};
  }
}

// The w-th element of a step.
MILLRACE_INLINE constexpr int element_of(int step, int w) {
  return step / 2 * 4 + step % 2 + 2 * w;
}

MILLRACE_INLINE constexpr size_t block_bytes(Quants quants) {
  switch (quants) {
    case Quants::four:
      return 128;
    case Quants::five:
      return 160;
    case Quants::six:
      return 192;
    case Quants::eight:
      return 256;
  }
  return 0;
}

MILLRACE_INLINE size_t scales_bytes(Scales scales, int k) {
  const auto blocks = static_cast<size_t>(ceil_div(k, kBlock));
  switch (scales) {
    case Scales::d:
      return round_up(blocks * 16, 64);
    case Scales::d_m:
      return round_up(blocks * 32, 64);
    case Scales::d_m_64:
      return round_up(blocks / 2 * 32, 64);
    case Scales::d_m_128:
      return round_up(blocks / 4 * 32, 64);
    case Scales::k:
      return round_up(blocks / 8 * 160, 64);
    case Scales::q6:
      return round_up(blocks / 8 * 144, 64);
    case Scales::row:
      return 64;
  }
  return 0;
}

MILLRACE_INLINE size_t tile_bytes(DType kind, int k) {
  const auto columns = static_cast<size_t>(k);
  switch (kind) {
    case DType::f32:
      return round_up(columns * 32, 64);
    case DType::f16:
      return round_up(columns * 16, 64);
    case DType::bf16:
      return round_up((columns + 1) / 2 * 32, 64);
    default:
      break;
  }
  const Format format = format_of(kind);
  const auto blocks = static_cast<size_t>(ceil_div(k, kBlock));
  return round_up(scales_bytes(format.scales, k) + blocks * block_bytes(format.quants), 64);
}

}  // namespace
}  // namespace millrace::kernels::avx2
