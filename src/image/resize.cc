#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/check.h"

namespace millrace::image {
namespace {

constexpr int kWeightBits = 22;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

struct Kernel {
  double support;  // at scale 1
  double (*weight)(double);
};

double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}
double triangle(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}
double cubic(double x) {  // Keys, a = -0.5
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}
double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}
double lanczos3(double x) {
  return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return {0.5, box};
    case Filter::bicubic:
      return {2.0, cubic};
    case Filter::lanczos:
      return {3.0, lanczos3};
    default:
      return {1.0, triangle};
  }
}

// Which inputs an output is made of, and how much of each.
struct Taps {
  std::vector<int> first{}, count{};  // one an output
  std::vector<std::int32_t> weights{};
  std::size_t stride = 0;  // weights an output

  const std::int32_t* weights_of(std::size_t output) const {
    return weights.data() + output * stride;
  }
  int begin() const { return first.front(); }
  int end() const { return first.back() + count.back(); }
};

// Of outputs [from, from + number) when `in` samples become `out`.
Taps make_taps(int in, int out, Filter filter, int from, int number) {
  const Kernel kernel = kernel_of(filter);
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  Taps taps;
  taps.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  taps.weights.resize(taps.stride * static_cast<std::size_t>(number));
  std::vector<double> exact(taps.stride);
  for (int i = 0; i < number; ++i) {
    const double centre = (from + i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int count = std::min(in, static_cast<int>(centre + support + 0.5)) - first;
    double sum = 0;
    for (int j = 0; j < count; ++j) {
      const double weight = kernel.weight((j + first - centre + 0.5) * (1.0 / filter_scale));
      exact[static_cast<std::size_t>(j)] = weight;
      sum += weight;
    }
    std::int32_t* fixed = taps.weights.data() + static_cast<std::size_t>(i) * taps.stride;
    for (int j = 0; j < count; ++j) {
      const double weight = sum != 0.0 ? exact[static_cast<std::size_t>(j)] / sum
                                       : exact[static_cast<std::size_t>(j)];
      fixed[j] = static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));
    }
    taps.first.push_back(first);
    taps.count.push_back(count);
  }
  return taps;
}

std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

// `in` begins with sample `left`.
void filter_row(const std::uint8_t* in, int left, const Taps& taps, std::uint8_t* out) {
  for (std::size_t i = 0; i < taps.first.size(); ++i, out += 3) {
    const std::int32_t* weights = taps.weights_of(i);
    const std::uint8_t* pixel = in + std::ptrdiff_t{3} * (taps.first[i] - left);
    std::int32_t r = kHalf, g = kHalf, b = kHalf;
    for (int j = 0; j < taps.count[i]; ++j, pixel += 3) {
      r += weights[j] * pixel[0];
      g += weights[j] * pixel[1];
      b += weights[j] * pixel[2];
    }
    out[0] = to_byte(r);
    out[1] = to_byte(g);
    out[2] = to_byte(b);
  }
}

void add_weighted(std::int32_t* __restrict sums, const std::uint8_t* __restrict row,
                  std::int32_t weight, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sums[i] += weight * row[i];
}

const std::uint8_t* row_of(const Image& picture, int y) {
  return picture.rgb.data() +
         std::size_t{3} * static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(y);
}
std::uint8_t* row_of(Image& picture, int y) {
  return picture.rgb.data() +
         std::size_t{3} * static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(y);
}

Image empty(int width, int height) {
  return filled(width, height, {});
}

// Taps of one direction; none where a side keeps its size and is only cut.
struct Pass {
  bool is_copy = false;
  Taps taps{};
  int begin = 0;  // inputs that are needed: [begin, end)
  int end = 0;
};

Pass make_pass(int in, int out, Filter filter, int from, int number) {
  if (in == out) return {.is_copy = true, .begin = from, .end = from + number};
  Pass pass{.taps = make_taps(in, out, filter, from, number)};
  pass.begin = pass.taps.begin();
  pass.end = pass.taps.end();
  return pass;
}

// Rows [first, first + number) of a picture whose column 0 is column `left` of the source.
Image filter_columns(const Image& picture, const Pass& pass, int left, int first, int number) {
  if (pass.is_copy) {
    return crop(picture, {pass.begin - left, first, pass.end - pass.begin, number});
  }
  Image out = empty(static_cast<int>(pass.taps.first.size()), number);
  for (int y = 0; y < number; ++y) {
    filter_row(row_of(picture, first + y), left, pass.taps, row_of(out, y));
  }
  return out;
}

// Columns [first, first + number) of a picture whose row 0 is row `top` of the source.
Image filter_rows(const Image& picture, const Pass& pass, int top, int first, int number) {
  if (pass.is_copy) {
    return crop(picture, {first, pass.begin - top, number, pass.end - pass.begin});
  }
  const int height = static_cast<int>(pass.taps.first.size());
  Image out = empty(number, height);
  const std::size_t row_bytes = std::size_t{3} * static_cast<std::size_t>(number);
  std::vector<std::int32_t> sums(row_bytes);
  for (int y = 0; y < height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    std::ranges::fill(sums, kHalf);
    for (int j = 0; j < pass.taps.count[i]; ++j) {
      const std::uint8_t* row =
          row_of(picture, pass.taps.first[i] + j - top) + std::ptrdiff_t{3} * first;
      add_weighted(sums.data(), row, pass.taps.weights_of(i)[j], row_bytes);
    }
    std::ranges::transform(sums, row_of(out, y), to_byte);
  }
  return out;
}

// Positions are added up rather than multiplied out, as Pillow does: their rounding decides ties.
std::vector<int> nearest_of(int in, int out, int from, int number) {
  const double scale = static_cast<double>(in) / out;
  std::vector<int> picked;
  double at = scale * 0.5;
  for (int i = 0; i < from + number; ++i, at += scale) {
    if (i >= from) picked.push_back(std::min(in - 1, static_cast<int>(at)));
  }
  return picked;
}

Image pick_nearest(const Image& picture, int width, int height, Rect part) {
  const std::vector<int> columns = nearest_of(picture.width, width, part.x, part.width);
  const std::vector<int> rows = nearest_of(picture.height, height, part.y, part.height);
  Image out = empty(part.width, part.height);
  for (int y = 0; y < part.height; ++y) {
    const std::uint8_t* from = row_of(picture, rows[static_cast<std::size_t>(y)]);
    std::uint8_t* to = row_of(out, y);
    for (const int column : columns) {
      std::copy_n(from + std::ptrdiff_t{3} * column, 3, to);
      to += 3;
    }
  }
  return out;
}

}  // namespace

Image resize(const Image& picture, int width, int height, Filter filter) {
  return resize_part(picture, width, height, filter, {0, 0, width, height});
}

Image resize_part(const Image& picture, int width, int height, Filter filter, Rect part) {
  MILLRACE_CHECK(width > 0 && height > 0 && picture.width > 0 && picture.height > 0);
  MILLRACE_CHECK(part.x >= 0 && part.y >= 0 && part.width > 0 && part.height > 0);
  MILLRACE_CHECK(part.width <= width - part.x && part.height <= height - part.y);
  if (filter == Filter::nearest) return pick_nearest(picture, width, height, part);
  const Pass columns = make_pass(picture.width, width, filter, part.x, part.width);
  const Pass rows = make_pass(picture.height, height, filter, part.y, part.height);
  const int width_needed = columns.end - columns.begin;
  const int height_needed = rows.end - rows.begin;
  // Each pass rounds and clips, so the order shows. This is Pillow 13's, found by trying.
  const bool rows_first =
      height < picture.height && picture.height - height > 2 * (picture.width - width);
  if (rows_first) {
    const Image between = filter_rows(picture, rows, 0, columns.begin, width_needed);
    return filter_columns(between, columns, columns.begin, 0, part.height);
  }
  const Image between = filter_columns(picture, columns, 0, rows.begin, height_needed);
  return filter_rows(between, rows, rows.begin, 0, part.width);
}

}  // namespace millrace::image
