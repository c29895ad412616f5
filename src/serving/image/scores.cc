#include "serving/image/scores.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>

#include "tensor/half.h"

namespace millrace::serving {
namespace {

template <class T, class Convert>
std::vector<float> read_all(std::span<const std::byte> data, Convert convert) {
  std::vector<float> out(data.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
    out[i] = convert(value);
  }
  return out;
}

}  // namespace

void softmax(std::span<float> scores) {
  float largest = -std::numeric_limits<float>::infinity();
  for (const float score : scores) {
    if (score > largest) largest = score;
  }
  double sum = 0;
  for (float& score : scores) {
    // Equal infinities share the whole.
    const float share = score == largest ? 1.0f : std::exp(score - largest);
    score = std::isnan(share) ? 0.0f : share;
    sum += static_cast<double>(score);
  }
  if (!(sum > 0)) return;
  for (float& score : scores) score = static_cast<float>(static_cast<double>(score) / sum);
}

std::vector<ClassScore> top_k(std::span<const float> scores, std::size_t k) {
  k = std::min(k, scores.size());
  const auto rank = [&](std::size_t i) {
    return std::isnan(scores[i]) ? -std::numeric_limits<float>::infinity() : scores[i];
  };
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::partial_sort(
      order, order.begin() + static_cast<std::ptrdiff_t>(k),
      [&](std::size_t a, std::size_t b) { return rank(a) != rank(b) ? rank(a) > rank(b) : a < b; });
  std::vector<ClassScore> best;
  best.reserve(k);
  for (std::size_t i = 0; i < k; ++i) {
    best.push_back({static_cast<int>(order[i]), scores[order[i]]});
  }
  return best;
}

Result<std::vector<float>> to_floats(std::span<const std::byte> data, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return read_all<float>(data, [](float value) { return value; });
    case DType::f64:
      return read_all<double>(data, [](double value) { return static_cast<float>(value); });
    case DType::f16:
      return read_all<std::uint16_t>(data, f32_from_f16);
    case DType::bf16:
      return read_all<std::uint16_t>(data, [](std::uint16_t value) {
        return std::bit_cast<float>(std::uint32_t{value} << 16);
      });
    default:
      return invalid(std::string("Scores of type ") + dtype_name(dtype) + " cannot be read.");
  }
}

}  // namespace millrace::serving
