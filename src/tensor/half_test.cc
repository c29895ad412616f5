#include "tensor/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace millrace {
namespace {

TEST(Half, KnownValues) {
  EXPECT_EQ(f32_from_f16(0x3c00), 1.0f);
  EXPECT_EQ(f32_from_f16(0x0001), 0x1p-24f);
  EXPECT_EQ(f32_from_f16(0x83ff), -0x1.ff8p-15f);
  EXPECT_EQ(f32_from_f16(0x7bff), 65504.0f);
  EXPECT_EQ(f32_from_f16(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::signbit(f32_from_f16(0x8000)));
  EXPECT_EQ(f32_from_bf16(0x3f80), 1.0f);
  EXPECT_EQ(f32_from_bf16(0x0001), std::bit_cast<float>(0x00010000u));
}

TEST(Half, EveryNumberComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f32_from_f16(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f32_from_f16(f16_from_f32(value))));
      EXPECT_TRUE(std::isnan(f32_from_f16(f16_from_f64(value))));
      continue;
    }
    ASSERT_EQ(f16_from_f32(value), half);
    ASSERT_EQ(f16_from_f64(value), half);
  }
}

// What lies between two neighbours goes to the nearer one, what lies in the middle to the even one.
TEST(Half, RoundsToNearest) {
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    const float middle = 0.5f * (f32_from_f16(low) + f32_from_f16(high));
    ASSERT_EQ(f16_from_f32(middle), bits % 2 == 0 ? low : high);
    ASSERT_EQ(f16_from_f32(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(f16_from_f32(std::nextafter(-middle, -1e9f)), high | 0x8000);
    ASSERT_EQ(f16_from_f64(std::nextafter(static_cast<double>(middle), 0.0)), low);
    ASSERT_EQ(f16_from_f64(std::nextafter(-static_cast<double>(middle), -1e9)), high | 0x8000);
  }
}

TEST(Half, BrainFloatsRoundToNearest) {
  for (std::uint32_t bits = 0; bits < 0x7f7f; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    ASSERT_EQ(bf16_from_f32(f32_from_bf16(low)), low);
    const float middle = 0.5f * f32_from_bf16(low) + 0.5f * f32_from_bf16(high);
    if (bits < 0x80) continue;  // subnormal ones have no middle of their own
    ASSERT_EQ(bf16_from_f32(middle), bits % 2 == 0 ? low : high);
    ASSERT_EQ(bf16_from_f32(std::nextafter(middle, 0.0f)), low);
    ASSERT_EQ(bf16_from_f32(std::nextafter(-middle, -std::numeric_limits<float>::infinity())),
              high | 0x8000);
  }
  EXPECT_EQ(bf16_from_f32(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_EQ(bf16_from_f32(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(f32_from_bf16(bf16_from_f32(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Half, FarOnes) {
  EXPECT_EQ(f16_from_f32(65519.0f), 0x7bff);
  EXPECT_EQ(f16_from_f32(65520.0f), 0x7c00);
  EXPECT_EQ(f16_from_f32(-1e30f), 0xfc00);
  EXPECT_EQ(f16_from_f64(1e300), 0x7c00);
  EXPECT_EQ(f16_from_f64(-1e-300), 0x8000);
  EXPECT_EQ(f16_from_f32(0x1p-25f), 0);
  EXPECT_EQ(f16_from_f32(0x1.8p-25f), 1);
}

}  // namespace
}  // namespace millrace
