// clang-format off
// Packed weights. Four rows make a tile, one row a 32-bit lane, so a dot product needs no sum across
// lanes. A tile of a quantised weight is its scales, then (from a 64-byte boundary) its quants in
// blocks of 32 elements. k is padded with zeros to whole blocks and n to whole tiles.
//
// A quant of b bits is kept as a signed number, q - 2^(b-1), and read as the upper b bits of a byte:
// then one or two instructions make four rows × four elements of it, whatever b is, and what it is
// scaled up by (2^(8-b)) goes when sums become f32, in the same instruction.
//
//   steps         a product takes four elements of each row: step s (of 8 in a block) elements 4s + j
//   quants four   64 bytes a block; byte 4r + j of the v-th 16 has row r's element 8v + j in its low
//                 nibble and 8v + 4 + j in its high one
//   quants five   low nibbles, then 16 bytes of top bits: bit s of byte 4r + j is of element 4s + j
//   quants six    or low nibbles, then 32 bytes of top pairs: pair t of byte 4r + j of the u-th 16 is
//                 of element 16u + 4t + j
//   quants eight  128 bytes a block; byte 16s + 4r + j is element 4s + j of row r
//   scales d      a block: 4 × f16
//   scales d_m    a block: 4 × f16 d, 4 × f16 m
//   scales d_m_64, d_m_128  the same of 2 or 4 blocks
//   scales k      per 256: 4 × f16 d, 4 × f16 dmin, then for each of 8 blocks 4 × u8 scale, 4 × u8 min
//   scales q6     per 256: 4 × f16 d, then for each of 16 half blocks 4 × i8 scale
//   scales row    4 × f32
//   f32, f16, bf16  element k of row r at index 4k + r
// clang-format on
#pragma once

#include "kernels/neon/simd.h"

namespace millrace::kernels::neon {
namespace {

constexpr int kTileRows = 4;
constexpr int kBlock = 32;
constexpr int kSteps = 8;  // of a block
constexpr int kSuper = 256;

enum class Quants : uint8_t { four, five, six, eight };  // bits
enum class Scales : uint8_t { d, d_m, d_m_64, d_m_128, k, q6, row };

struct Format {
  bool plain;
  Quants quants;
  Scales scales;
};

MILLRACE_INLINE constexpr Format format_of(DType kind) {
  switch (kind) {
    case DType::q4_0:
      return {false, Quants::four, Scales::d};
    case DType::q4_1:
      return {false, Quants::four, Scales::d_m};
    case DType::q4_g64:
      return {false, Quants::four, Scales::d_m_64};
    case DType::q4_g128:
      return {false, Quants::four, Scales::d_m_128};
    case DType::q4_k:
      return {false, Quants::four, Scales::k};
    case DType::q5_0:
      return {false, Quants::five, Scales::d};
    case DType::q5_1:
      return {false, Quants::five, Scales::d_m};
    case DType::q5_k:
      return {false, Quants::five, Scales::k};
    case DType::q6_k:
      return {false, Quants::six, Scales::q6};
    case DType::q8_0:
      return {false, Quants::eight, Scales::d};
    case DType::i8:
      return {false, Quants::eight, Scales::row};
    default:
      return {true, Quants::eight, Scales::row};
  }
}

MILLRACE_INLINE constexpr bool is_plain(DType kind) {
  return kind == DType::f32 || kind == DType::f16 || kind == DType::bf16;
}

MILLRACE_INLINE constexpr int bits_of(Quants quants) {
  switch (quants) {
    case Quants::four:
      return 4;
    case Quants::five:
      return 5;
    case Quants::six:
      return 6;
    case Quants::eight:
      return 8;
  }
  return 0;
}

// weight = d · quant + m, the quant unsigned. Kinds without m have signed quants: m = -d · offset.
MILLRACE_INLINE constexpr bool has_min(Scales scales) {
  return scales == Scales::d_m || scales == Scales::d_m_64 || scales == Scales::d_m_128 ||
         scales == Scales::k;
}

// Blocks that share a pair of plain scales; 0: other forms.
MILLRACE_INLINE constexpr size_t blocks_a_pair(Scales scales) {
  return scales == Scales::d_m       ? 1
         : scales == Scales::d_m_64  ? 2
         : scales == Scales::d_m_128 ? 4
                                     : 0;
}

MILLRACE_INLINE constexpr size_t block_bytes(Quants quants) {
  return static_cast<size_t>(bits_of(quants)) * kTileRows * kBlock / 8;
}

constexpr size_t kBytesK = 80, kBytesQ6 = 72;  // of the scales of 256 elements

MILLRACE_INLINE size_t scales_bytes(Scales scales, int k) {
  const auto blocks = static_cast<size_t>(ceil_div(k, kBlock));
  switch (scales) {
    case Scales::d:
      return round_up(blocks * 8, 64);
    case Scales::d_m:
    case Scales::d_m_64:
    case Scales::d_m_128:
      return round_up(blocks / blocks_a_pair(scales) * 16, 64);
    case Scales::k:
      return round_up(blocks / 8 * kBytesK, 64);
    case Scales::q6:
      return round_up(blocks / 8 * kBytesQ6, 64);
    case Scales::row:
      return 64;
  }
  return 0;
}

MILLRACE_INLINE size_t tile_bytes(DType kind, int k) {
  if (is_plain(kind)) {
    return round_up(static_cast<size_t>(k) * kTileRows * (kind == DType::f32 ? 4 : 2), 64);
  }
  const Format format = format_of(kind);
  const auto blocks = static_cast<size_t>(ceil_div(k, kBlock));
  return round_up(scales_bytes(format.scales, k) + blocks * block_bytes(format.quants), 64);
}

}  // namespace
}  // namespace millrace::kernels::neon
