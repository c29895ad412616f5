// For tests: kernels, and random matrices whose columns have to do with each other.
#pragma once

#include <cstddef>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/select.h"
#include "tensor/compute_pool.h"
#include "tensor/exec.h"

namespace millrace::optimize {

struct TestOps {
  explicit TestOps(std::string_view table)
      : pool(2), exec(pool, Precision::exact), ops{**kernels::select_kernels(table), exec} {}
  ComputePool pool;
  Exec exec;
  kernels::Ops ops;
};

inline std::vector<float> normals(int count, unsigned seed, float size = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, size);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

inline double at(const std::vector<float>& matrix, int row, int column, int stride) {
  return static_cast<double>(
      matrix[static_cast<std::size_t>(row) * static_cast<std::size_t>(stride) +
             static_cast<std::size_t>(column)]);
}

// Σ x·xᵀ over `samples` of k values: neighbours are alike, and some are far more active.
inline std::vector<float> moments_of(int k, int samples, unsigned seed) {
  std::vector<float> x = normals(k * samples, seed);
  const auto width = static_cast<std::size_t>(k);
  for (std::size_t s = 0; s < static_cast<std::size_t>(samples); ++s) {
    float* row = x.data() + s * width;
    for (std::size_t c = 1; c < width; ++c) row[c] = 0.8f * row[c - 1] + 0.6f * row[c];
    for (std::size_t c = 0; c < width; c += 11) row[c] *= 5;
  }
  std::vector<float> h(width * width);
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (std::size_t s = 0; s < static_cast<std::size_t>(samples); ++s)
        sum += static_cast<double>(x[s * width + i]) * static_cast<double>(x[s * width + j]);
      h[i * width + j] = h[j * width + i] = static_cast<float>(sum);
    }
  }
  return h;
}

}  // namespace millrace::optimize
