#include "models/rope_tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace millrace::models {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

int rotary_dim(const RopeConfig& rope, int head_dim) {
  return rope.rotary_dim == 0 ? head_dim : rope.rotary_dim;
}

// Long wavelengths are slowed by `factor`, short ones kept, those between blended.
double llama3_frequency(const RopeConfig& rope, double frequency) {
  const double wavelength = kTwoPi / frequency;
  const double turns = rope.original_max_position / wavelength;  // within the trained context
  if (turns < rope.low_freq_factor) return frequency / rope.factor;
  if (turns > rope.high_freq_factor) return frequency;
  const double blend =
      (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return (1 - blend) * frequency / rope.factor + blend * frequency;
}

// The dimension whose frequency makes `turns` turns within the trained context.
double yarn_dimension(const RopeConfig& rope, int dim, double turns) {
  return dim * std::log(rope.original_max_position / (turns * kTwoPi)) / (2 * std::log(rope.theta));
}

void scale_yarn(const RopeConfig& rope, int dim, std::vector<double>& frequencies) {
  const double low = std::max(std::floor(yarn_dimension(rope, dim, rope.beta_fast)), 0.0);
  double high = std::min(std::ceil(yarn_dimension(rope, dim, rope.beta_slow)), dim - 1.0);
  if (high == low) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / rope.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

float table_scale(const RopeConfig& rope) {
  if (rope.scaling != RopeScaling::yarn) return 1.0f;
  if (rope.attention_factor > 0) return static_cast<float>(rope.attention_factor);
  return static_cast<float>(0.1 * std::log(rope.factor) + 1.0);
}

}  // namespace

std::vector<float> rope_frequencies(const RopeConfig& rope, int head_dim) {
  const int dim = rotary_dim(rope, head_dim);
  std::vector<double> frequencies(static_cast<std::size_t>(dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    double frequency = std::pow(rope.theta, -2.0 * static_cast<double>(i) / dim);
    if (!rope.frequency_factors.empty()) frequency /= rope.frequency_factors[i];
    if (rope.scaling == RopeScaling::linear) frequency /= rope.factor;
    if (rope.scaling == RopeScaling::llama3) frequency = llama3_frequency(rope, frequency);
    frequencies[i] = frequency;
  }
  if (rope.scaling == RopeScaling::yarn) scale_yarn(rope, dim, frequencies);
  return {frequencies.begin(), frequencies.end()};
}

RopeTables make_rope_tables(const RopeConfig& rope, int head_dim, int num_positions) {
  const std::vector<float> frequencies = rope_frequencies(rope, head_dim);
  const std::size_t half = frequencies.size();
  const float scale = table_scale(rope);
  RopeTables tables;
  tables.num_positions = num_positions;
  tables.half_dim = static_cast<int>(half);
  tables.cosine = Buffer(static_cast<std::size_t>(num_positions) * half * sizeof(float));
  tables.sine = Buffer(static_cast<std::size_t>(num_positions) * half * sizeof(float));
  float* cosine = tables.cosine.as<float>();
  float* sine = tables.sine.as<float>();
  for (int position = 0; position < num_positions; ++position) {
    for (std::size_t i = 0; i < half; ++i) {
      // The angle is an f32 product: what models were trained with, and it matters at 100k.
      const float angle = static_cast<float>(position) * frequencies[i];
      *cosine++ = std::cos(angle) * scale;
      *sine++ = std::sin(angle) * scale;
    }
  }
  return tables;
}

}  // namespace millrace::models
