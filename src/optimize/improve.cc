#include "optimize/improve.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "optimize/dense.h"
#include "optimize/on_rows.h"

namespace millrace::optimize {
namespace {

constexpr int kBlock = 128;  // columns whose rows of h stay near; whole groups of 4 bits

// One row within a block of columns: what it is now, and g = (w - v)·h there.
struct Piece {
  const float* h;  // of the block's first row and column
  std::size_t stride;
  int width;
  std::array<float, kBlock> value{}, gradient{};

  const float* h_row(int i) const { return h + static_cast<std::size_t>(i) * stride; }
  // Value i of the row becomes larger by `step`.
  void move(int i, float step) {
    const float* row = h_row(i);
    value[static_cast<std::size_t>(i)] += step;
    for (int c = 0; c < width; ++c) gradient[static_cast<std::size_t>(c)] -= step * row[c];
  }
};

// Sums over a group: what the error's square form in (d, m) is made of.
struct PairForm {
  double dd = 0, dm = 0, mm = 0;  // codes·h·codes, codes·h·1, 1·h·1
  double d = 0, m = 0;            // g·codes, g·1

  // What a step takes off the error.
  double gain(double step_d, double step_m) const {
    return 2 * (d * step_d + m * step_m) -
           (dd * step_d * step_d + 2 * dm * step_d * step_m + mm * step_m * step_m);
  }
};

PairForm form_of(const Piece& piece, const std::int8_t* codes, int first, int count) {
  PairForm form;
  for (int i = first; i < first + count; ++i) {
    const float* row = piece.h_row(i) + first;
    float with_codes = 0, with_ones = 0;
    for (int c = 0; c < count; ++c) {
      with_codes += row[c] * static_cast<float>(codes[c]);
      with_ones += row[c];
    }
    const double code = codes[i - first], g = piece.gradient[static_cast<std::size_t>(i)];
    form.dd += code * static_cast<double>(with_codes);
    form.dm += static_cast<double>(with_codes);
    form.mm += static_cast<double>(with_ones);
    form.d += g * code;
    form.m += g;
  }
  return form;
}

void improve_pair(Piece& piece, models::Affine& pair, const std::int8_t* codes, int first,
                  int count) {
  const PairForm form = form_of(piece, codes, first, count);
  const double determinant = form.dd * form.mm - form.dm * form.dm;
  if (!(determinant > 1e-6 * form.dd * form.mm)) return;  // all codes alike
  const double step_d = (form.mm * form.d - form.dm * form.m) / determinant;
  const double step_m = (form.dd * form.m - form.dm * form.d) / determinant;
  const models::Affine better{models::round_to_half(static_cast<float>(pair.d + step_d)),
                              models::round_to_half(static_cast<float>(pair.m + step_m))};
  if (!(better.d > 0) || !std::isfinite(better.d) || !std::isfinite(better.m)) return;
  const float change_d = better.d - pair.d, change_m = better.m - pair.m;
  if (!(form.gain(change_d, change_m) > 0)) return;
  pair = better;
  for (int i = 0; i < count; ++i)
    piece.move(first + i, change_d * static_cast<float>(codes[i]) + change_m);
}

void improve_codes(Piece& piece, const GridRows& grid, const models::Affine& pair,
                   std::int8_t* codes, int first, int count) {
  for (int i = 0; i < count; ++i) {
    const int at = first + i;
    const auto a = static_cast<std::size_t>(at);
    const float wanted = piece.value[a] + piece.gradient[a] / piece.h_row(at)[at];
    const int code = grid.nearest(pair, wanted);
    if (code == codes[i]) continue;
    piece.move(at, pair.d * static_cast<float>(code - codes[i]));
    codes[i] = static_cast<std::int8_t>(code);
  }
}

// `moved` gets the negative of what was added to the block's values.
void improve_block(GridRows& grid, int row, int first, Piece& piece, float* moved) {
  for (int c = 0; c < piece.width; ++c) {
    const int column = first + c;
    piece.value[static_cast<std::size_t>(c)] =
        GridRows::value(grid.pair(row, column), grid.codes(row)[column]);
    moved[c] = piece.value[static_cast<std::size_t>(c)];
  }
  const int step = grid.has_minima() ? grid.group() : piece.width;
  for (int c = 0; c < piece.width; c += step) {
    models::Affine& pair = grid.pair(row, first + c);
    std::int8_t* codes = grid.codes(row) + first + c;
    if (grid.has_minima()) improve_pair(piece, pair, codes, c, step);
    improve_codes(piece, grid, pair, codes, c, step);
  }
  for (int c = 0; c < piece.width; ++c) moved[c] -= piece.value[static_cast<std::size_t>(c)];
}

}  // namespace

void improve(kernels::Ops& ops, GridRows& grid, const float* weights, const float* h) {
  const int n = grid.n(), k = grid.k();
  const auto width_of_row = static_cast<std::size_t>(k);
  const auto offset = [&](int row) { return static_cast<std::size_t>(row) * width_of_row; };
  std::vector<float> difference(offset(n)), gradient(offset(n));
  on_rows(ops, n, [&](int row) {
    float* out = difference.data() + offset(row);
    grid.values(row, out);
    for (std::size_t c = 0; c < width_of_row; ++c) out[c] = weights[offset(row) + c] - out[c];
  });
  add_product_transposed(ops, {difference.data(), n, k, k}, {h, k, k, k}, gradient.data(), k);
  std::vector<float>& moved = difference;  // [n, width] of a block
  for (int first = 0; first < k; first += kBlock) {
    const int width = std::min(kBlock, k - first);
    const auto w = static_cast<std::size_t>(width);
    on_rows(ops, n, [&](int row) {
      Piece piece{.h = h + offset(first) + first, .stride = width_of_row, .width = width};
      std::copy_n(gradient.data() + offset(row) + first, w, piece.gradient.begin());
      improve_block(grid, row, first, piece, moved.data() + static_cast<std::size_t>(row) * w);
    });
    add_product(ops, {moved.data(), n, width, width}, {h + offset(first), width, k, k},
                gradient.data(), k);
  }
}

}  // namespace millrace::optimize
