// What the kernel tests share: seeded data, weights of every kind with their exact values, outputs
// with canaries. Included by *_test.cc only.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/ops.h"
#include "kernels/reference/dequantize.h"
#include "kernels/reference/scalar.h"
#include "kernels/select.h"

namespace millrace::kernels::testing {

inline constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kCanary = -12345.678f;

inline std::vector<float> normals(std::size_t count, std::uint32_t seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

// One table with its own pool, as an engine thread has it.
struct Rig {
  explicit Rig(const Kernels& table, Precision precision = Precision::standard, int threads = 2)
      : pool(threads), exec(pool, precision), ops{table, exec} {}
  ComputePool pool;
  Exec exec;
  Ops ops;
};

// [rows, stride] with `width` used columns a row: outputs begin as NaN and the columns between rows
// as canaries.
struct Matrix {
  Matrix(int num_rows, int width_, int pad, float fill)
      : rows(num_rows), width(width_), stride(width_ + pad) {
    values.assign(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride), kCanary);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < width; ++c) at(r, c) = fill;
    }
  }
  static Matrix random(int num_rows, int width_, int pad, std::uint32_t seed) {
    Matrix m(num_rows, width_, pad, 0);
    const std::vector<float> from =
        normals(static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(width_), seed);
    std::size_t next = 0;
    for (int r = 0; r < num_rows; ++r) {
      for (int c = 0; c < width_; ++c) m.at(r, c) = from[next++];
    }
    return m;
  }
  float* row(int r) { return values.data() + static_cast<std::ptrdiff_t>(r) * stride; }
  const float* row(int r) const { return values.data() + static_cast<std::ptrdiff_t>(r) * stride; }
  float& at(int r, int c) { return row(r)[c]; }
  float at(int r, int c) const { return row(r)[c]; }
  // Columns between the rows must be untouched.
  bool canaries_intact() const {
    for (int r = 0; r < rows; ++r) {
      for (int c = width; c < stride; ++c) {
        if (at(r, c) != kCanary) return false;
      }
    }
    return true;
  }
  void fill_padding(float value) {
    for (int r = 0; r < rows; ++r) {
      for (int c = width; c < stride; ++c) row(r)[c] = value;
    }
  }
  int rows, width, stride;
  std::vector<float> values;
};

inline bool same_bits(const float* a, const float* b, int count) {
  return std::memcmp(a, b, sizeof(float) * static_cast<std::size_t>(count)) == 0;
}

inline const std::vector<DType>& weight_kinds() {
  static const std::vector<DType> kKinds = {DType::f32,    DType::f16,    DType::bf16, DType::i8,
                                            DType::q4_0,   DType::q4_1,   DType::q5_0, DType::q5_1,
                                            DType::q8_0,   DType::q4_k,   DType::q5_k, DType::q6_k,
                                            DType::q4_g64, DType::q4_g128};
  return kKinds;
}

// A weight in its source format and, by the reference dequantiser (which has goldens of its own),
// as f32.
struct SourceWeight {
  SourceWeight(DType kind_, int n_, int k_, std::uint32_t seed);
  PackArgs pack_args() const {
    return {.kind = kind,
            .n = n,
            .k = k,
            .source = bytes.data(),
            .scales = kind == DType::i8 ? scales.data() : nullptr,
            .source_row_bytes = row_bytes,
            .transposed = false,
            .first_row = 0,
            .num_rows = n};
  }
  const float* row(int r) const { return exact.data() + static_cast<std::ptrdiff_t>(r) * k; }
  DType kind;
  int n, k;
  std::int64_t row_bytes;  // a little more than the row itself
  std::vector<std::uint8_t> bytes;
  std::vector<float> scales;
  std::vector<float> exact;  // [n, k]
};

// Rounds to f16 (normal range only).
inline std::uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = (bits & 0x7fffffffu) + 0xfffu + (bits >> 13 & 1u);
  if (magnitude < (113u << 23)) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | ((magnitude - (112u << 23)) >> 13));
}

inline SourceWeight::SourceWeight(DType kind_, int n_, int k_, std::uint32_t seed)
    : kind(kind_), n(n_), k(k_) {
  const std::size_t block = dtype_block_bytes(kind);
  const auto used = static_cast<std::int64_t>(reference::row_bytes(kind, k));
  row_bytes = used + 8;
  bytes.assign(static_cast<std::size_t>(n * row_bytes), 0xff);
  scales.assign(static_cast<std::size_t>(n), 1.0f);
  exact.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(k));
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::uniform_real_distribution<float> uniform(0.002f, 0.01f);
  const auto put_half = [&](std::uint8_t* to, float value) {
    const std::uint16_t half = f32_to_f16(value);
    std::memcpy(to, &half, sizeof half);
  };
  for (int r = 0; r < n; ++r) {
    std::uint8_t* row_data = bytes.data() + r * row_bytes;
    for (std::int64_t b = 0; b < used; b += static_cast<std::int64_t>(block)) {
      std::uint8_t* to = row_data + b;
      if (kind == DType::f32) {
        const float value = normal(engine);
        std::memcpy(to, &value, sizeof value);
        continue;
      }
      if (kind == DType::f16) {
        put_half(to, normal(engine));
        continue;
      }
      if (kind == DType::bf16) {
        const std::uint16_t value = reference::f32_to_bf16(normal(engine));
        std::memcpy(to, &value, sizeof value);
        continue;
      }
      for (std::size_t i = 0; i < block; ++i) to[i] = static_cast<std::uint8_t>(engine());
      if (kind == DType::i8) continue;
      const bool is_k = kind == DType::q4_k || kind == DType::q5_k || kind == DType::q6_k;
      const float d = uniform(engine) * (is_k ? 0.03f : 1.0f);
      const bool negative = kind == DType::q4_0 && (engine() & 1u);
      put_half(to + (kind == DType::q6_k ? 208 : 0), negative ? -d : d);
      const bool has_min = kind == DType::q4_1 || kind == DType::q5_1 || kind == DType::q4_g64 ||
                           kind == DType::q4_g128;
      if (has_min) put_half(to + 2, normal(engine));
      if (kind == DType::q4_k || kind == DType::q5_k) put_half(to + 2, 7 * d);
    }
    if (kind == DType::i8) scales[static_cast<std::size_t>(r)] = uniform(engine) * 0.1f;
    reference::dequantize_row(kind, row_data, k, scales[static_cast<std::size_t>(r)],
                              exact.data() + static_cast<std::ptrdiff_t>(r) * k);
  }
}

// Tests that run once a table.
class EveryTable : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& table() const { return *GetParam(); }
};

inline std::string table_name(const ::testing::TestParamInfo<const Kernels*>& info) {
  return info.param->name;
}

}  // namespace millrace::kernels::testing
