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
constexpr float kLevels = 15;

float as_half(float x) {
  return f32_from_f16(f16_from_f32(x));
}

void put_half(float x, std::byte* to) {
  const std::uint16_t half = f16_from_f32(x);
  std::memcpy(to, &half, sizeof half);
}

// w ≈ d·q + m with q in 0..15.
struct Affine {
  float d = 0, m = 0;
};

// Codes of a group by one pair. Rounds half up, which SSE2 can do without a call.
struct Coder {
  explicit Coder(const Affine& a) : inverse(a.d > 0 ? 1 / a.d : 0), m(a.m) {}
  int code(float x) const {
    return static_cast<int>(std::clamp((x - m) * inverse, 0.0f, kLevels) + 0.5f);
  }
  float inverse, m;
};

// The pair that fits best where the codes that `start` gives are kept (least squares), and what
// error it leaves. `total` and `squares` are Σx and Σx².
struct Fit {
  Affine pair;
  float error = 0;
};
Fit refit(const float* x, int count, const Affine& start, float total, float squares) {
  const Coder coder(start);
  float q1 = 0, q2 = 0, xq = 0;
  for (int i = 0; i < count; ++i) {
    const auto q = static_cast<float>(coder.code(x[i]));
    q1 += q;
    q2 += q * q;
    xq += x[i] * q;
  }
  const auto n = static_cast<float>(count);
  const float spread = n * q2 - q1 * q1;
  if (spread <= 0) return {{0, total / n}, squares - total * total / n};
  const float d = (n * xq - q1 * total) / spread;
  const float m = (total - d * q1) / n;
  return {{d, m}, squares - d * xq - m * total};
}

// Rounding to the full range, and to narrower ones that cut off extremes: what leaves the least
// error.
Affine fit(const float* x, int count) {
  float low = x[0], high = x[0], total = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    total += x[i];
    squares += x[i] * x[i];
  }
  Fit best{{0, total / static_cast<float>(count)}, std::numeric_limits<float>::max()};
  for (const float part : {1.0f, 0.94f, 0.88f, 0.8f}) {
    const float range = part * (high - low);
    const Affine start{range / kLevels, 0.5f * (low + high - range)};
    if (const Fit f = refit(x, count, start, total, squares); f.error < best.error) best = f;
  }
  return {as_half(best.pair.d), as_half(best.pair.m)};
}

void put_group(const float* x, int count, std::byte* out) {
  const Affine a = fit(x, count);
  const Coder coder(a);
  put_half(a.d, out);
  put_half(a.m, out + 2);
  out += 4;
  for (int first = 0; first < count; first += kNibbles, out += kNibbles / 2) {
    for (int i = 0; i < kNibbles / 2; ++i) {
      const auto low = coder.code(x[first + i]);
      const auto high = coder.code(x[first + i + kNibbles / 2]);
      out[i] = static_cast<std::byte>(low | high << 4);
    }
  }
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

std::optional<Quantization> quantization_from(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, Quantization>, 7> kWords = {
      {{"", Quantization::none},
       {"none", Quantization::none},
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

DType quantised_kind(Quantization quantization, int k) {
  if (quantization == Quantization::int4_g128 && k % 128 == 0) return DType::q4_g128;
  const bool wide =
      quantization == Quantization::int4_g128 || quantization == Quantization::int4_g64;
  if (wide && k % 64 == 0) return DType::q4_g64;
  return quantization != Quantization::int8 && k % 32 == 0 ? DType::q4_1 : DType::i8;
}

float quantise_row(DType kind, const float* row, int k, std::byte* out) {
  if (kind == DType::i8) return put_bytes(row, k, out);
  const int group = static_cast<int>(dtype_block_elements(kind));
  for (int first = 0; first < k; first += group, out += dtype_block_bytes(kind)) {
    put_group(row + first, group, out);
  }
  return 1;
}

}  // namespace millrace::models
