// How avx512/ and amx/ keep weights: panels of 16 rows (outputs), k outermost, so that one 64-byte
// vector is a row of an AMX B tile and a VNNI operand, its 16 dwords being the 16 outputs.
//
//   plain f32     [k][16] f32
//   bf16, f16     [k/2][16][2]: dword n = W[n][2r], W[n][2r+1]
//   8-bit codes   [k/4][16][4]: dword n = codes of W[n][4r .. 4r+3]         512 bytes a 32-block
//   4-bit codes   a 32-block is 4 vectors: vector i has quad row i in its low nibbles and quad row
//                 i+4 in its high ones (GGUF's own nibble order)              256 bytes
//   5-bit codes   32 k are 5 vectors (bits.h): quad rows 0 to 4 as they are, the other three in
//                 the upper bits                                              640 bytes
//   6-bit codes   16 k are 3 vectors (bits.h): quad rows 0 to 2 as they are, the fourth in the
//                 upper bits                                                  768 bytes
//
// Codes are unsigned: w = d·(code - zero) + m. Behind a panel's values come its scales:
//   i8            f32 [16]
//   d             f16 [blocks][16]                       q8_0 q4_0 q5_0
//   d, m          f16 [blocks][2][16]                    q4_1 q5_1; of 64 and 128 k: q4_g64 q4_g128
//   K             a 256-block: u8 scale [8][16], u8 min [8][16], f16 d [16], f16 -dmin [16]
//   q6_k          a 256-block: i8 scale [16][16], f16 d [16], 32 bytes unused
// k is padded to a multiple of 64, rows to 16. Nobody reads sums of the padding rows; in the
// padding of k the kernels take x as zero.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

namespace millrace::kernels {
namespace {

constexpr int kPanelRows = 16;
constexpr int kBlock = 32;  // k that share a scale (q6_k: 16)
constexpr int kTileK = 64;  // k is padded to this
constexpr int kSuperBlock = 256;

enum class Values { f32, pair, u8, u4, u5, u6 };
enum class Scales { none, row, d, dm, k, k6 };

template <Values values_, Scales scales_, int zero_>
struct TraitsOf {
  static constexpr Values values = values_;
  static constexpr Scales scales = scales_;
  static constexpr int zero = zero_;
};
template <DType kind>
struct Traits;
template <>
struct Traits<DType::f32> : TraitsOf<Values::f32, Scales::none, 0> {};
template <>
struct Traits<DType::bf16> : TraitsOf<Values::pair, Scales::none, 0> {};
template <>
struct Traits<DType::f16> : TraitsOf<Values::pair, Scales::none, 0> {};
template <>
struct Traits<DType::i8> : TraitsOf<Values::u8, Scales::row, 128> {};
template <>
struct Traits<DType::q8_0> : TraitsOf<Values::u8, Scales::d, 128> {};
template <>
struct Traits<DType::q5_0> : TraitsOf<Values::u5, Scales::d, 16> {};
template <>
struct Traits<DType::q4_0> : TraitsOf<Values::u4, Scales::d, 8> {};
template <>
struct Traits<DType::q4_1> : TraitsOf<Values::u4, Scales::dm, 0> {};
template <>
struct Traits<DType::q4_g64> : TraitsOf<Values::u4, Scales::dm, 0> {};
template <>
struct Traits<DType::q4_g128> : TraitsOf<Values::u4, Scales::dm, 0> {};
template <>
struct Traits<DType::q5_1> : TraitsOf<Values::u5, Scales::dm, 0> {};
template <>
struct Traits<DType::q4_k> : TraitsOf<Values::u4, Scales::k, 0> {};
template <>
struct Traits<DType::q5_k> : TraitsOf<Values::u5, Scales::k, 0> {};
template <>
struct Traits<DType::q6_k> : TraitsOf<Values::u6, Scales::k6, 32> {};

// Blocks of 32 that share a scale, where scales are not in super-blocks.
template <DType kind>
constexpr size_t kBlocksAScale = kind == DType::q4_g64    ? 2
                                 : kind == DType::q4_g128 ? 4
                                                          : 1;

// Calls f.template operator()<kind>() for a kind that these tables hold.
template <class F>
inline auto with_kind(DType kind, const F& f) {
  switch (kind) {
    case DType::f32:
      return f.template operator()<DType::f32>();
    case DType::bf16:
      return f.template operator()<DType::bf16>();
    case DType::f16:
      return f.template operator()<DType::f16>();
    case DType::i8:
      return f.template operator()<DType::i8>();
    case DType::q8_0:
      return f.template operator()<DType::q8_0>();
    case DType::q5_0:
      return f.template operator()<DType::q5_0>();
    case DType::q4_0:
      return f.template operator()<DType::q4_0>();
    case DType::q4_1:
      return f.template operator()<DType::q4_1>();
    case DType::q4_g64:
      return f.template operator()<DType::q4_g64>();
    case DType::q4_g128:
      return f.template operator()<DType::q4_g128>();
    case DType::q5_1:
      return f.template operator()<DType::q5_1>();
    case DType::q4_k:
      return f.template operator()<DType::q4_k>();
    case DType::q5_k:
      return f.template operator()<DType::q5_k>();
    default:
      return f.template operator()<DType::q6_k>();
  }
}

template <class T>
inline T round_up(T value, T multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
inline size_t padded_k(int k) {
  return round_up(static_cast<size_t>(k), static_cast<size_t>(kTileK));
}
inline int num_panels(int n) {
  return (n + kPanelRows - 1) / kPanelRows;
}

// Codes of 64 k.
template <Values values>
constexpr size_t kTileBytes = values == Values::u8   ? 1024
                              : values == Values::u4 ? 512
                              : values == Values::u5 ? 640
                                                     : 768;

template <DType kind>
inline size_t values_bytes(int k) {
  constexpr Values values = Traits<kind>::values;
  const size_t elements = padded_k(k) * kPanelRows;
  if constexpr (values == Values::f32) return elements * 4;
  if constexpr (values == Values::pair) return elements * 2;
  return padded_k(k) / kTileK * kTileBytes<values>;
}

constexpr size_t kSuperScaleBytes = 320;  // both K forms

template <DType kind>
inline size_t scales_bytes(int k) {
  const size_t blocks = padded_k(k) / kBlock / kBlocksAScale<kind>;
  switch (Traits<kind>::scales) {
    case Scales::none:
      return 0;
    case Scales::row:
      return 64;
    case Scales::d:
      return blocks * 32;
    case Scales::dm:
      return blocks * 64;
    case Scales::k:
    case Scales::k6:
      return blocks / 8 * kSuperScaleBytes;
  }
  return 0;
}

template <DType kind>
inline size_t panel_bytes(int k) {
  return values_bytes<kind>(k) + scales_bytes<kind>(k);  // both multiples of 64
}

template <DType kind>
inline const uint8_t* panel_at(const PackedWeight& weight, int panel) {
  return static_cast<const uint8_t*>(weight.data) +
         static_cast<size_t>(panel) * panel_bytes<kind>(weight.k);
}

}  // namespace
}  // namespace millrace::kernels
