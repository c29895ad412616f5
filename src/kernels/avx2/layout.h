// Packed weights. Eight rows make a tile, one row a 32-bit lane, so a dot product needs no sum
// across lanes. A tile of a quantised weight is its scales, then its quants, each from a 64-byte
// boundary; blocks are 32 elements of k. k is padded with zeros to whole blocks and n to whole
// tiles.
//
//   quants, nibbles: a block is 128 bytes; 16-bit word w of row r in the v-th 32 bytes holds
//   elements
//                    8v + w, 8v + 2 + w, 8v + 4 + w, 8v + 6 + w (w = 0, 1), lowest nibble first
//   quants, bytes:   a block is 256 bytes; element 2s + w of row r is byte 16s + 2r + w
//   scales d         per block: 8 × f16
//   scales d_m       per block: 8 × f16 d, 8 × f16 m
//   scales k         per 256: 8 × f16 d, 8 × f16 dmin, then for each of 8 blocks 8 × u8 scale, 8 ×
//   u8 min scales q6        per 256: 8 × f16 d, then for each of 16 half blocks 8 × i8 scale scales
//   row       8 × f32 f32: element k of row r at float 8k + r · f16 alike · bf16: pairs, 8 × (k, k
//   + 1)
#pragma once

#include "kernels/avx2/simd.h"

namespace millrace::kernels::avx2 {
namespace {

constexpr int kTileRows = 8;
constexpr int kBlock = 32;
constexpr int kSuper = 256;

enum class Quants : uint8_t { nibbles, bytes };
enum class Scales : uint8_t { d, d_m, k, q6, row };

struct Format {
  bool plain;
  Quants quants;
  Scales scales;
};

// Kinds that share a format differ only in how pack.cc reads their source.
MILLRACE_INLINE Format format_of(DType kind) {
  switch (kind) {
    case DType::q4_0:
      return {false, Quants::nibbles, Scales::d};
    case DType::q4_1:
      return {false, Quants::nibbles, Scales::d_m};
    case DType::q4_k:
      return {false, Quants::nibbles, Scales::k};
    case DType::q5_0:
    case DType::q8_0:
      return {false, Quants::bytes, Scales::d};
    case DType::q5_1:
      return {false, Quants::bytes, Scales::d_m};
    case DType::q5_k:
      return {false, Quants::bytes, Scales::k};
    case DType::q6_k:
      return {false, Quants::bytes, Scales::q6};
    case DType::i8:
      return {false, Quants::bytes, Scales::row};
    default:
      return {true, Quants::bytes, Scales::row};
  }
}

MILLRACE_INLINE size_t scales_bytes(Scales scales, int k) {
  const auto blocks = static_cast<size_t>(ceil_div(k, kBlock));
  switch (scales) {
    case Scales::d:
      return round_up(blocks * 16, 64);
    case Scales::d_m:
      return round_up(blocks * 32, 64);
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
  return scales_bytes(format.scales, k) + blocks * (format.quants == Quants::nibbles ? 128u : 256u);
}

// Where one quant of a row (lane) lies.
struct QuantPlace {
  size_t byte;  // from the tile's quants
  int shift;
};
MILLRACE_INLINE QuantPlace quant_place(Quants quants, int lane, int k) {
  const auto block = static_cast<size_t>(k / kBlock);
  const int in_block = k % kBlock, word = k % 2;
  if (quants == Quants::bytes) {
    return {block * 256 + static_cast<size_t>(16 * (in_block / 2) + 2 * lane + word), 0};
  }
  const int nibble = in_block % 8 / 2;
  const int byte = 32 * (in_block / 8) + 4 * lane + 2 * word + nibble / 2;
  return {block * 128 + static_cast<size_t>(byte), nibble % 2 * 4};
}

}  // namespace
}  // namespace millrace::kernels::avx2
