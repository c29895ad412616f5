// Our own weight kinds, read back by the kernels' dequantiser: how far from the weights they are
// made of, measured in f64.
#include "models/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/reference/dequantize.h"

namespace millrace::models {
namespace {

using kernels::reference::dequantize_row;
using kernels::reference::row_bytes;

std::vector<float> normals(int count, unsigned seed, float mean = 0) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(mean, 0.05f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

std::vector<float> round_trip(DType kind, const std::vector<float>& row) {
  const int k = static_cast<int>(row.size());
  std::vector<std::byte> bytes(row_bytes(kind, k) + 8, std::byte{0x5a});
  const float scale = quantise_row(kind, row.data(), k, bytes.data());
  for (std::size_t i = bytes.size() - 8; i < bytes.size(); ++i)
    EXPECT_EQ(bytes[i], std::byte{0x5a}) << "wrote past the row";
  std::vector<float> out(row.size());
  dequantize_row(kind, bytes.data(), k, scale, out.data());
  return out;
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - b[i], 2);
    size += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(error / size);
}

TEST(Quantise, WordsAreKnown) {
  EXPECT_EQ(quantization_from(""), Quantization::none);
  EXPECT_EQ(quantization_from("none"), Quantization::none);
  EXPECT_EQ(quantization_from("bf16"), Quantization::bf16);
  EXPECT_EQ(quantization_from("int8"), Quantization::int8);
  EXPECT_EQ(quantization_from("int4"), Quantization::int4_g32);
  EXPECT_EQ(quantization_from("int4-g128"), Quantization::int4_g128);
  EXPECT_EQ(quantization_from("int5"), std::nullopt);
}

TEST(Quantise, RowsThatDoNotHoldWholeGroupsGetNarrowerOnes) {
  EXPECT_EQ(quantised_kind(Quantization::int4_g128, 1536), DType::q4_g128);
  EXPECT_EQ(quantised_kind(Quantization::int4_g128, 576), DType::q4_g64);
  EXPECT_EQ(quantised_kind(Quantization::int4_g128, 96), DType::q4_1);
  EXPECT_EQ(quantised_kind(Quantization::int4_g64, 1536), DType::q4_g64);
  EXPECT_EQ(quantised_kind(Quantization::int4_g32, 1536), DType::q4_1);
  EXPECT_EQ(quantised_kind(Quantization::int4_g128, 172), DType::i8);
  EXPECT_EQ(quantised_kind(Quantization::int8, 1536), DType::i8);
  EXPECT_EQ(quantised_kind(Quantization::bf16, 172), DType::bf16);
}

TEST(Quantise, OnlyWhatBecomesSmaller) {
  EXPECT_TRUE(quantises(Quantization::bf16, DType::f32));
  EXPECT_FALSE(quantises(Quantization::bf16, DType::f16));
  EXPECT_FALSE(quantises(Quantization::bf16, DType::bf16));
  EXPECT_TRUE(quantises(Quantization::int8, DType::bf16));
  EXPECT_FALSE(quantises(Quantization::int8, DType::q8_0));
  EXPECT_FALSE(quantises(Quantization::none, DType::f32));
}

// A normal row rounded to 2^b levels of its range has an error of about range / 2^b / sqrt(12).
TEST(Quantise, ErrorsAreWhatTheBitsAllow) {
  const std::vector<float> row = normals(1536, 1);
  EXPECT_LT(relative_error(row, round_trip(DType::bf16, row)), 0.002);
  EXPECT_LT(relative_error(row, round_trip(DType::i8, row)), 0.012);
  EXPECT_LT(relative_error(row, round_trip(DType::q4_1, row)), 0.085);
  EXPECT_LT(relative_error(row, round_trip(DType::q4_g64, row)), 0.098);
  EXPECT_LT(relative_error(row, round_trip(DType::q4_g128, row)), 0.110);
}

// Least squares must not lose to plain rounding to the range.
TEST(Quantise, FitsAreNoWorseThanTheRange) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::vector<float> row = normals(64, seed, 0.1f);
    row[seed] *= 4;  // an outlier
    const auto [low, high] = std::minmax_element(row.begin(), row.end());
    std::vector<float> plain;
    for (const float x : row)
      plain.push_back(std::nearbyint((x - *low) / (*high - *low) * 15) / 15 * (*high - *low) +
                      *low);
    EXPECT_LE(relative_error(row, round_trip(DType::q4_g64, row)),
              relative_error(row, plain) * 1.002);
  }
}

TEST(Quantise, WhatIsOnAGridStaysThere) {
  std::vector<float> row;
  for (int i = 0; i < 128; ++i) row.push_back(0.25f * static_cast<float>((i * 7) % 16) - 1.0f);
  for (const DType kind : {DType::q4_1, DType::q4_g64, DType::q4_g128})
    EXPECT_EQ(round_trip(kind, row), row) << dtype_name(kind);
  row.clear();
  for (int i = 0; i < 64; ++i) row.push_back(static_cast<float>(i - 32) / 127 * 4);
  row[0] = 4;  // the largest: codes are whole
  EXPECT_LT(relative_error(row, round_trip(DType::i8, row)), 1e-6);
}

TEST(Quantise, ConstantAndZeroRows) {
  for (const DType kind : {DType::i8, DType::q4_1, DType::q4_g64, DType::q4_g128}) {
    EXPECT_EQ(round_trip(kind, std::vector<float>(128, 0.0f)), std::vector<float>(128, 0.0f));
    for (const float x : round_trip(kind, std::vector<float>(128, 0.5f)))
      EXPECT_FLOAT_EQ(x, 0.5f) << dtype_name(kind);
    for (const float x : round_trip(kind, std::vector<float>(128, 1e-42f)))
      EXPECT_LT(std::fabs(x), 1e-40f);
  }
}

}  // namespace
}  // namespace millrace::models
