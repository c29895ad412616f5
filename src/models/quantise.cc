#include "models/quantise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "tensor/half.h"

namespace millrace::models {
namespace {

constexpr int kNibbles = 32;  // that lie together, the first half in the low ones
constexpr std::size_t kWidestGroup = 128;
constexpr float kLevels = 15;

void put_half(float x, std::byte* to) {
  const std::uint16_t half = f16_from_f32(x);
  std::memcpy(to, &half, sizeof half);
}

// Codes of a group by one pair. Rounds half up, which SSE2 can do without a call.
struct Coder {
  explicit Coder(const Affine& a) : inverse(a.d > 0 ? 1 / a.d : 0), m(a.m) {}
  int code(float x) const {
    return static_cast<int>(std::clamp((x - m) * inverse, 0.0f, kLevels) + 0.5f);
  }
  float inverse, m;
};

// The pair that fits best where the codes that `start` gives are kept (least squares), and what
// error it leaves.
struct Fit {
  Affine pair;
  float error = 0;
};

// Values and their importance, and the sums that do not depend on codes.
struct Group {
  const float *x, *importance;
  int count;
  float weight = 0, total = 0, squares = 0;  // Σw, Σwx and Σwx²
};

Fit refit(const Group& group, const Affine& start) {
  const Coder coder(start);
  float q1 = 0, q2 = 0, xq = 0;
  for (int i = 0; i < group.count; ++i) {
    const auto q = static_cast<float>(coder.code(group.x[i]));
    const float wq = group.importance ? group.importance[i] * q : q;
    q1 += wq;
    q2 += wq * q;
    xq += group.x[i] * wq;
  }
  const float spread = group.weight * q2 - q1 * q1;
  if (spread <= 0) {
    const float mean = group.total / group.weight;
    return {{0, mean}, group.squares - group.total * mean};
  }
  const float d = (group.weight * xq - q1 * group.total) / spread;
  const float m = (group.total - d * q1) / group.weight;
  return {{d, m}, group.squares - d * xq - m * group.total};
}

float put_bytes(const float* x, int k, std::byte* out) {
  float largest = 0;
  for (int i = 0; i < k; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float scale = largest / 127;
  const float inverse = scale >= std::numeric_limits<float>::min() ? 1 / scale : 0;
  for (int i = 0; i < k; ++i) {
    const float scaled = x[i] * inverse;
    out[i] = static_cast<std::byte>(static_cast<int>(scaled + (scaled < 0 ? -0.5f : 0.5f)));
  }
  return scale;
}

}  // namespace

float round_to_half(float x) {
  return f32_from_f16(f16_from_f32(x));
}

int Affine::code(float x) const {
  return Coder(*this).code(x);
}

// Rounding to the full range, and to narrower ones that cut off extremes: what leaves the least
// error.
Affine fit_group(const float* x, const float* importance, int count) {
  Group group{.x = x, .importance = importance, .count = count};
  float low = x[0], high = x[0];
  for (int i = 0; i < count; ++i) {
    const float w = importance ? importance[i] : 1.0f;
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    group.weight += w;
    group.total += w * x[i];
    group.squares += w * x[i] * x[i];
  }
  if (!(group.weight > 0)) return fit_group(x, nullptr, count);
  Fit best{{0, group.total / group.weight}, std::numeric_limits<float>::max()};
  for (const float part : {1.0f, 0.94f, 0.88f, 0.8f}) {
    const float range = part * (high - low);
    const Affine start{range / kLevels, 0.5f * (low + high - range)};
    if (const Fit f = refit(group, start); f.error < best.error) best = f;
  }
  return {round_to_half(best.pair.d), round_to_half(best.pair.m)};
}

void put_group(DType kind, const Affine& pair, const std::uint8_t* codes, std::byte* out) {
  const int count = static_cast<int>(dtype_block_elements(kind));
  put_half(pair.d, out);
  put_half(pair.m, out + 2);
  out += 4;
  for (int first = 0; first < count; first += kNibbles, out += kNibbles / 2) {
    for (int i = 0; i < kNibbles / 2; ++i)
      out[i] = static_cast<std::byte>(codes[first + i] | codes[first + i + kNibbles / 2] << 4);
  }
}

std::optional<Quantization> quantization_from(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, Quantization>, 8> kWords = {
      {{"", Quantization::none},
       {"none", Quantization::none},
       {"bf16", Quantization::bf16},
       {"int8", Quantization::int8},
       {"int4", Quantization::int4_g32},
       {"int4-g32", Quantization::int4_g32},
       {"int4-g64", Quantization::int4_g64},
       {"int4-g128", Quantization::int4_g128}}};
  for (const auto& [name, quantization] : kWords) {
    if (name == word) return quantization;
  }
  return std::nullopt;
}

bool is_plain_float(DType kind) {
  return kind == DType::f32 || kind == DType::f16 || kind == DType::bf16;
}

bool quantises(Quantization quantization, DType from) {
  switch (quantization) {
    case Quantization::none:
      return false;
    case Quantization::bf16:
      return from == DType::f32;
    default:
      return is_plain_float(from);
  }
}

DType quantised_kind(Quantization quantization, int k) {
  if (quantization == Quantization::bf16) return DType::bf16;
  if (quantization == Quantization::int4_g128 && k % 128 == 0) return DType::q4_g128;
  const bool wide =
      quantization == Quantization::int4_g128 || quantization == Quantization::int4_g64;
  if (wide && k % 64 == 0) return DType::q4_g64;
  return quantization != Quantization::int8 && k % 32 == 0 ? DType::q4_1 : DType::i8;
}

std::size_t row_bytes(DType kind, std::int64_t k) {
  return static_cast<std::size_t>(k) / dtype_block_elements(kind) * dtype_block_bytes(kind);
}

float quantise_row(DType kind, const float* row, int k, std::byte* out) {
  if (kind == DType::bf16) {
    for (int i = 0; i < k; ++i) {
      const std::uint16_t brain = bf16_from_f32(row[i]);
      std::memcpy(out + 2 * i, &brain, sizeof brain);
    }
    return 1;
  }
  if (kind == DType::i8) return put_bytes(row, k, out);
  const int group = static_cast<int>(dtype_block_elements(kind));
  std::array<std::uint8_t, kWidestGroup> codes;
  for (int first = 0; first < k; first += group, out += dtype_block_bytes(kind)) {
    const Affine pair = fit_group(row + first, nullptr, group);
    const Coder coder(pair);
    for (int i = 0; i < group; ++i)
      codes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(coder.code(row[first + i]));
    put_group(kind, pair, codes.data(), out);
  }
  return 1;
}

}  // namespace millrace::models
