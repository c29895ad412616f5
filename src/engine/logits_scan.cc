#include "engine/logits_scan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace millrace::engine {

namespace {

constexpr std::size_t kLanes = 16;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

float max_of_lanes(const float* x) {
  float m[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) m[i] = x[i];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) m[i] = m[i] > m[i + half] ? m[i] : m[i + half];
  return m[0];
}

// Calls visit(index) for every logit >= *floor; the floor may rise meanwhile.
template <class Visit>
void for_each_at_least(std::span<const float> logits, const float* floor, Visit visit) {
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    if (max_of_lanes(&logits[i]) < *floor) continue;
    for (std::size_t j = i; j < i + kLanes; ++j)
      if (logits[j] >= *floor && logits[j] > kMinusInfinity) visit(j);
  }
  for (; i < logits.size(); ++i)
    if (logits[i] >= *floor && logits[i] > kMinusInfinity) visit(i);
}

// 2^n · e^f with |f| <= ln(2)/2 by its Taylor series. No branches: it runs four lanes at a time.
inline float exp_of(float x) {
  const float scaled = x * 1.44269504f;
  const auto keep = -static_cast<std::int32_t>(scaled >= -125.0f);  // all bits, or none
  const auto clamped = std::bit_cast<float>(std::bit_cast<std::int32_t>(scaled) & keep);
  const auto n = static_cast<std::int32_t>(clamped - 0.5f);  // rounds, as clamped <= 0
  const float f = (clamped - static_cast<float>(n)) * 0.693147181f;
  float p = 1.0f / 720;
  p = p * f + 1.0f / 120;
  p = p * f + 1.0f / 24;
  p = p * f + 1.0f / 6;
  p = p * f + 0.5f;
  p = p * f + 1.0f;
  p = p * f + 1.0f;
  return p * std::bit_cast<float>(((n + 127) << 23) & keep);
}

}  // namespace

float fast_exp(float x) {
  return exp_of(x);
}

TokenId find_argmax(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void gather_at_least(std::span<const float> logits, float floor, std::vector<Candidate>& out) {
  for_each_at_least(logits, &floor,
                    [&](std::size_t i) { out.push_back({logits[i], static_cast<TokenId>(i)}); });
}

void gather_top(std::span<const float> logits, int k, std::vector<Candidate>& out) {
  const auto wanted = static_cast<std::size_t>(k);
  const std::size_t bound = wanted * 2 + 64;
  float floor = kMinusInfinity;
  out.clear();
  const auto keep_best = [&] {
    if (out.size() <= wanted) return;
    const auto kth = out.begin() + static_cast<std::ptrdiff_t>(wanted) - 1;
    std::nth_element(out.begin(), kth, out.end(), likelier);
    floor = kth->logit;
    out.resize(wanted);
  };
  for_each_at_least(logits, &floor, [&](std::size_t i) {
    out.push_back({logits[i], static_cast<TokenId>(i)});
    if (out.size() >= bound) keep_best();
  });
  keep_best();
}

int rank_of(std::span<const float> logits, TokenId token) {
  const auto own = static_cast<std::size_t>(token);
  const float value = logits[own];
  int above = 0;
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes)
    for (std::size_t j = 0; j < kLanes; ++j) above += logits[i + j] > value ? 1 : 0;
  for (; i < logits.size(); ++i) above += logits[i] > value ? 1 : 0;
  for (i = 0; i < own; ++i) above += logits[i] == value ? 1 : 0;
  return above;
}

double sum_weights(std::span<const float> logits, float max, float inverse_temperature,
                   std::vector<double>& run_sums) {
  run_sums.clear();
  double total = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += kRun) {
    const std::size_t end = std::min(begin + kRun, logits.size());
    float lanes[kLanes] = {};
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (std::size_t j = 0; j < kLanes; ++j)
        lanes[j] += exp_of((logits[i + j] - max) * inverse_temperature);
    double sum = 0;
    for (; i < end; ++i) sum += exp_of((logits[i] - max) * inverse_temperature);
    for (const float lane : lanes) sum += lane;
    run_sums.push_back(sum);
    total += sum;
  }
  return total;
}

}  // namespace millrace::engine
