// IEEE 754 binary16 and bfloat16 to binary32, exact for every bit pattern (denormals, infinities;
// NaNs keep their payload), and binary16 from wider numbers. Not by the type _Float16, which
// g++ 12 has on some machines only.
#pragma once

#include <bit>
#include <cstdint>

namespace millrace {

inline float f32_from_f16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero or denormal: mantissa × 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide = exponent == 0x1f ? 0xffu : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

// To nearest, ties to even; too large ones become infinite.
inline std::uint16_t f16_from_f32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t half;
  if (magnitude >= 143u << 23) {  // 2^16 and more, infinities, NaNs
    half = magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x1ffu) : 0x7c00u;
  } else if (magnitude < 113u << 23) {  // denormal: a sum whose last bit is worth 2^-24
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - (126u << 23);
  } else {
    half = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - (112u << 23)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

// The same of a double, rounded once: the step by way of f32 keeps in its last bit that something
// was cut off.
inline std::uint16_t f16_from_f64(double value) {
  auto narrow = static_cast<float>(value);
  const auto back = static_cast<double>(narrow);
  if (back != value && value == value) {
    auto bits = std::bit_cast<std::uint32_t>(narrow);
    const bool is_past = value < 0 ? back < value : back > value;
    bits = (is_past ? bits - 1 : bits) | 1u;
    narrow = std::bit_cast<float>(bits);
  }
  return f16_from_f32(narrow);
}

// To the nearest, ties to even; NaN stays NaN.
inline std::uint16_t bf16_from_f32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline float f32_from_bf16(std::uint16_t brain) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16);
}

}  // namespace millrace
