// Quants and scales of a block out of a tile (layout.h).
#pragma once

#include "kernels/neon/layout.h"

namespace millrace::kernels::neon {
namespace {

// The same for all functions of a weight kind.
template <DType kKindArg>
struct QuantFormat {
  static constexpr DType kKind = kKindArg;
  static constexpr Quants kQuants = format_of(kKind).quants;
  static constexpr Scales kScales = format_of(kKind).scales;
  static constexpr int kShift = 8 - bits_of(kQuants);  // quants are scaled up by 2^kShift
  static constexpr bool kHasMin = has_min(kScales);
  static constexpr int kUnits = kScales == Scales::q6 ? 2 : 1;  // scales a block
};

// Sixteen quants, four rows × four elements, for step `s`.
template <Quants kQuants, int s>
MILLRACE_INLINE int8x16_t quants_of_step(const uint8_t* block) {
  if constexpr (kQuants == Quants::eight) {
    return load16_signed(block + 16 * s);
  } else {
    const uint8x16_t nibbles = load16(block + 16 * (s / 2));
    const uint8x16_t upper =
        s % 2 == 0 ? vshlq_n_u8(nibbles, 4) : vandq_u8(nibbles, vdupq_n_u8(0xf0));
    if constexpr (kQuants == Quants::four) {
      return vreinterpretq_s8_u8(upper);
    } else if constexpr (kQuants == Quants::five) {
      const uint8x16_t top = vshlq_n_u8(load16(block + 64), 7 - s);
      return vreinterpretq_s8_u8(vsriq_n_u8(top, upper, 1));
    } else {
      const uint8x16_t top = vshlq_n_u8(load16(block + 64 + 16 * (s / 4)), 6 - s % 4 * 2);
      return vreinterpretq_s8_u8(vsriq_n_u8(top, upper, 2));
    }
  }
}

// All eight steps.
template <Quants kQuants>
MILLRACE_INLINE void unpack_block(const uint8_t* block, int8x16_t (&w)[kSteps]) {
  w[0] = quants_of_step<kQuants, 0>(block);
  w[1] = quants_of_step<kQuants, 1>(block);
  w[2] = quants_of_step<kQuants, 2>(block);
  w[3] = quants_of_step<kQuants, 3>(block);
  w[4] = quants_of_step<kQuants, 4>(block);
  w[5] = quants_of_step<kQuants, 5>(block);
  w[6] = quants_of_step<kQuants, 6>(block);
  w[7] = quants_of_step<kQuants, 7>(block);
}

// Of the four rows: weight = d · (signed quant) + m; d for each unit, m only where kHasMin.
struct BlockScales {
  float32x4_t d[2], m;
};

// Eight bytes → the first four and the last four as f32.
struct FloatPair {
  float32x4_t first, last;
};
MILLRACE_INLINE FloatPair floats_of_u8(const uint8_t* from) {
  const uint16x8_t wide = vmovl_u8(vld1_u8(from));
  return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))), vcvtq_f32_u32(vmovl_high_u16(wide))};
}
MILLRACE_INLINE FloatPair floats_of_i8(const uint8_t* from) {
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(vld1_u8(from)));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))};
}

template <class F>
MILLRACE_INLINE BlockScales scales_of(const uint8_t* scales, size_t block) {
  BlockScales result = {{vdupq_n_f32(1.0f), vdupq_n_f32(1.0f)}, vdupq_n_f32(0.0f)};
  if constexpr (F::kScales == Scales::d) result.d[0] = load_f16(scales + 8 * block);
  if constexpr (blocks_a_pair(F::kScales) != 0) {
    const uint8_t* pair = scales + 16 * (block / blocks_a_pair(F::kScales));
    result.d[0] = load_f16(pair);
    result.m = load_f16(pair + 8);
  }
  if constexpr (F::kScales == Scales::k) {
    const uint8_t* super = scales + kBytesK * (block / 8);
    const FloatPair both = floats_of_u8(super + 16 + 8 * (block % 8));
    result.d[0] = vmulq_f32(load_f16(super), both.first);
    result.m = vnegq_f32(vmulq_f32(load_f16(super + 8), both.last));
  }
  if constexpr (F::kScales == Scales::q6) {
    const uint8_t* super = scales + kBytesQ6 * (block / 8);
    const FloatPair both = floats_of_i8(super + 8 + 8 * (block % 8));
    const float32x4_t d = load_f16(super);
    result.d[0] = vmulq_f32(d, both.first);
    result.d[1] = vmulq_f32(d, both.last);
  }
  if constexpr (F::kHasMin) {  // unsigned quants became signed ones
    constexpr float kOffset = 1 << (bits_of(F::kQuants) - 1);
    result.m = vfmaq_n_f32(result.m, result.d[0], kOffset);
  }
  return result;
}

// choose.operator()<QuantFormat<kind>>() for a quantised kind.
template <class Choose>
auto for_kind(DType kind, const Choose& choose) {
  switch (kind) {
    case DType::q4_0:
      return choose.template operator()<QuantFormat<DType::q4_0>>();
    case DType::q4_1:
      return choose.template operator()<QuantFormat<DType::q4_1>>();
    case DType::q4_g64:
      return choose.template operator()<QuantFormat<DType::q4_g64>>();
    case DType::q4_g128:
      return choose.template operator()<QuantFormat<DType::q4_g128>>();
    case DType::q4_k:
      return choose.template operator()<QuantFormat<DType::q4_k>>();
    case DType::q5_0:
      return choose.template operator()<QuantFormat<DType::q5_0>>();
    case DType::q5_1:
      return choose.template operator()<QuantFormat<DType::q5_1>>();
    case DType::q5_k:
      return choose.template operator()<QuantFormat<DType::q5_k>>();
    case DType::q6_k:
      return choose.template operator()<QuantFormat<DType::q6_k>>();
    case DType::i8:
      return choose.template operator()<QuantFormat<DType::i8>>();
    default:
      return choose.template operator()<QuantFormat<DType::q8_0>>();
  }
}

}  // namespace
}  // namespace millrace::kernels::neon
