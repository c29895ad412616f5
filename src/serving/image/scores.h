// Scores of classes: probabilities and the best of them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "servable/tensor_model.h"

namespace millrace::serving {

struct ClassScore {
  int index = 0;
  float score = 0;
};

// In place; sums to 1. NaN and -inf become 0.
void softmax(std::span<float> scores);

// The k largest, largest first, ties to the lower index, NaN last; fewer where there are fewer.
std::vector<ClassScore> top_k(std::span<const float> scores, std::size_t k);

// The elements as f32. invalid_argument for types other than f32, f64, f16 and bf16.
Result<std::vector<float>> to_floats(std::span<const std::byte> data, DType dtype);

}  // namespace millrace::serving
