// Rows of x as the quantised products read them: a record for each block of 32.
//
//   floats  (exact)     32 × f32, then their sum: 144 bytes
//   planes  (standard)  16-bit q of x ≈ dx · q, an error of 2^-16 of the block's largest, as 32
//   upper
//                       bytes and 32 lower ones, both signed: q = 256 · upper + lower. Then dx and
//                       the sum of the x: 80 bytes
//   bytes   (fast)      8-bit q, dx, the sum: 48 bytes
//
// The sum multiplies what the weights of a block have in common (minimums and offsets). Records are
// whole vectors long, so that vectors in them are aligned.
#pragma once

#include "kernels/neon/layout.h"

namespace millrace::kernels::neon {
namespace {

enum class RowValues : uint8_t { floats, planes, bytes };

MILLRACE_INLINE constexpr size_t record_bytes(RowValues values) {
  return values == RowValues::floats ? 144 : values == RowValues::planes ? 80 : 48;
}
// Where dx (of floats: the sum) is in a record.
MILLRACE_INLINE constexpr size_t scales_in_record(RowValues values) {
  return record_bytes(values) - 16;
}
MILLRACE_INLINE size_t row_bytes(RowValues values, int k) {
  return round_up(static_cast<size_t>(ceil_div(k, kBlock)) * record_bytes(values), 64);
}

// The values of one block, zero past k.
struct Block {
  float32x4_t v[8];
};
MILLRACE_INLINE Block load_block(const float* x, int left) {
  Block block;
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) block.v[i] = load_first(x + kLanes * i, left - kLanes * i);
  return block;
}

MILLRACE_INLINE float sum_of(const Block& x) {
  const float32x4_t a = vaddq_f32(vaddq_f32(x.v[0], x.v[1]), vaddq_f32(x.v[2], x.v[3]));
  const float32x4_t b = vaddq_f32(vaddq_f32(x.v[4], x.v[5]), vaddq_f32(x.v[6], x.v[7]));
  return vaddvq_f32(vaddq_f32(a, b));
}

MILLRACE_INLINE float largest_of(const Block& x) {
  float32x4_t largest = vabsq_f32(x.v[0]);
  for (int i = 1; i < 8; ++i) largest = vmaxq_f32(largest, vabsq_f32(x.v[i]));
  return vmaxvq_f32(largest);
}

// q of a block in 16 bits, |q| <= limit, and their scale. A block that holds a NaN or an infinity
// gets a NaN scale: it must not turn into plausible numbers.
struct Quantised {
  int16x8_t q[4];
  float dx;
};
MILLRACE_INLINE Quantised quantise(const Block& x, float sum, float limit) {
  constexpr float kTiny = 1e-30f;  // its inverse is still finite
  const float top = largest_of(x);
  const bool is_zero = top < kTiny;
  const float32x4_t inverse = vdupq_n_f32(is_zero ? 0.0f : limit / top);
  Quantised result;
  result.dx = (is_zero ? 0.0f : top / limit) + (sum - sum);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const int32x4_t low = vcvtnq_s32_f32(vmulq_f32(x.v[2 * i], inverse));
    const int32x4_t high = vcvtnq_s32_f32(vmulq_f32(x.v[2 * i + 1], inverse));
    result.q[i] = vcombine_s16(vmovn_s32(low), vmovn_s32(high));
  }
  return result;
}

MILLRACE_INLINE void put_scales(uint8_t* to, float dx, float sum) {
  memcpy(to, &dx, sizeof dx);
  memcpy(to + sizeof dx, &sum, sizeof sum);
}

MILLRACE_INLINE void put_floats(const Block& x, float sum, uint8_t* to) {
  for (int i = 0; i < 8; ++i) vst1q_f32(reinterpret_cast<float*>(to) + kLanes * i, x.v[i]);
  memcpy(to + scales_in_record(RowValues::floats), &sum, sizeof sum);
}

MILLRACE_INLINE void put_planes(const Block& x, float sum, uint8_t* to) {
  constexpr float kLimit = 127 * 256 + 127;  // both bytes fit
  const Quantised quantised = quantise(x, sum, kLimit);
  for (int i = 0; i < 4; ++i) {
    const int16x8_t q = quantised.q[i];
    vst1_s8(reinterpret_cast<int8_t*>(to) + 8 * i, vrshrn_n_s16(q, 8));
    vst1_s8(reinterpret_cast<int8_t*>(to) + kBlock + 8 * i, vmovn_s16(q));
  }
  put_scales(to + scales_in_record(RowValues::planes), quantised.dx, sum);
}

MILLRACE_INLINE void put_bytes(const Block& x, float sum, uint8_t* to) {
  const Quantised quantised = quantise(x, sum, 127.0f);
  for (int i = 0; i < 4; ++i) {
    vst1_s8(reinterpret_cast<int8_t*>(to) + 8 * i, vmovn_s16(quantised.q[i]));
  }
  put_scales(to + scales_in_record(RowValues::bytes), quantised.dx, sum);
}

MILLRACE_INLINE void prepare_row(RowValues values, const float* x, int k, uint8_t* to) {
  for (int begin = 0; begin < k; begin += kBlock, to += record_bytes(values)) {
    const Block block = load_block(x + begin, k - begin);
    const float sum = sum_of(block);
    switch (values) {
      case RowValues::floats:
        put_floats(block, sum, to);
        break;
      case RowValues::planes:
        put_planes(block, sum, to);
        break;
      case RowValues::bytes:
        put_bytes(block, sum, to);
        break;
    }
  }
}

}  // namespace
}  // namespace millrace::kernels::neon
