// The epilogue of 32 rows of a pair of panels, a few rows at a time, while the tiles multiply the
// next 32: the vector units and the way to memory are idle there.
#pragma once

#include "kernels/amx/operand.h"
#include "kernels/amx/pairs.h"
#include "kernels/avx512/epilogue.h"

namespace millrace::kernels {
namespace {

struct Finisher {
  const GemmArgs* args = nullptr;
  const float* sums = nullptr;  // of the next row: [16], the second panel's kBetween floats behind
  float* out = nullptr;         // of the next row
  int64_t out_stride = 0;
  uint8_t* operand = nullptr;  // the next row of the operand that is written instead
  size_t operand_bytes = 0;    // between its rows
  Order order = Order::plain;
  int column = 0;  // its first
  int left = 0;    // rows of these 32
  int behind = 0;  // rows of x from the next one on
  int each = 0;    // groups of rows a step
  int panels = 0;
  bool gated = false, stream = false;
  __mmask16 mask[2] = {};
  alignas(64) float bias[2][16] = {};

  static constexpr int kRows = 32;
  static constexpr int kBetween = kRows * 16;

  // A pair's outputs begin: what all its rows have in common.
  void begin(const GemmArgs& all, const Pair& pair, bool is_pair_gated) {
    const GemmPart& to = all.parts[pair.part[0]];
    column = pair.panel[0] * kPanelRows;
    args = &all;
    operand = static_cast<uint8_t*>(all.out_operand.data);
    if (operand != nullptr) {
      operand_bytes = operand_stride(to.weight->n);
      order = order_of_form(all.out_operand.form);
    } else {
      out = to.out + column;
      out_stride = to.out_stride;
    }
    behind = all.m;
    gated = is_pair_gated;
    panels = !gated && pair.both ? 2 : 1;
    stream = operand == nullptr && should_stream(all, pair.part[0]);
    for (int i = 0; i < (pair.both ? 2 : 1); ++i) {
      const GemmPart& part = all.parts[pair.part[i]];
      const int first = pair.panel[i] * kPanelRows;
      mask[i] = tail_mask(part.weight->n - first);
      _mm512_store_ps(bias[i], part.bias != nullptr
                                   ? _mm512_maskz_loadu_ps(mask[i], part.bias + first)
                                   : _mm512_setzero_ps());
    }
  }

  // The pair's next 32 rows (or what is left of them) have these sums.
  void start(const float* from, int steps) {
    sums = from;
    left = behind < kRows ? behind : kRows;
    each = (left + kAtOnce - 1) / kAtOnce;  // groups
    each = (each + steps - 1) / steps;
  }

  void step() {
    for (int i = 0; i < each && left > 0; ++i) finish_some();
  }
  void rest() {
    while (left > 0) finish_some();
  }

 private:
  static constexpr int kAtOnce =
      4;  // rows: their arithmetic overlaps, and constants are loaded once
  static constexpr int kRowsAhead = 8;

  void finish_some() {
    if (left >= kAtOnce) return finish<kAtOnce>();
    finish<1>();
  }

  template <int rows>
  void finish() {
    __m512 v[rows];
    load<rows>(0, v);
    activate<rows>(v);
    if (gated) {
      __m512 up[rows];
      load<rows>(1, up);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) v[r] = _mm512_mul_ps(v[r], up[r]);
    }
    put<rows>(0, v);
    if (panels == 2) {
      load<rows>(1, v);
      activate<rows>(v);
      put<rows>(1, v);
    }
    sums += 16 * rows;
    if (operand != nullptr) {
      operand += rows * operand_bytes;
    } else {
      out += rows * out_stride;
    }
    left -= rows;
    behind -= rows;
  }

  template <int rows>
  void load(int i, __m512* v) const {
    const __m512 b = _mm512_load_ps(bias[i]);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      v[r] = _mm512_add_ps(_mm512_load_ps(sums + i * kBetween + 16 * r), b);
    }
  }

  template <int rows>
  void activate(__m512* v) const {
    const auto all = [&](auto f) {
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) v[r] = f(v[r]);
    };
    switch (args->epilogue) {
      case Epilogue::none:
        return;
      case Epilogue::silu:
      case Epilogue::silu_mul:
        return all([](__m512 x) { return silu16(x); });
      case Epilogue::gelu_tanh:
      case Epilogue::gelu_tanh_mul:
        return all([](__m512 x) { return gelu_tanh16(x); });
      case Epilogue::gelu_erf:
        return all([](__m512 x) { return gelu_erf16(x); });
      case Epilogue::relu:
        return all([](__m512 x) { return _mm512_max_ps(x, _mm512_setzero_ps()); });
    }
  }

  template <int rows>
  void put(int i, const __m512* v) const {
    if (operand != nullptr) return put_in_operand<rows>(column + 16 * i, v);
    float* to = out + 16 * i;
    if (args->accumulate) {
      for (int r = 0; r < rows; ++r, to += out_stride) {
        if (behind > kRowsAhead) __builtin_prefetch(to + kRowsAhead * out_stride, 1);
        _mm512_mask_storeu_ps(to, mask[i], _mm512_add_ps(v[r], _mm512_maskz_loadu_ps(mask[i], to)));
      }
    } else if (stream && mask[i] == 0xffff) {
      for (int r = 0; r < rows; ++r, to += out_stride) _mm512_stream_ps(to, v[r]);
    } else {
      for (int r = 0; r < rows; ++r, to += out_stride) {
        if (behind > kRowsAhead) __builtin_prefetch(to + kRowsAhead * out_stride, 1);
        _mm512_mask_storeu_ps(to, mask[i], v[r]);
      }
    }
  }

  template <int rows>
  void put_in_operand(int first, const __m512* v) const {
    uint8_t* to = operand;
    for (int r = 0; r < rows; ++r, to += operand_bytes) {
      if (behind > kRowsAhead) {
        __builtin_prefetch(to + kRowsAhead * operand_bytes + 2 * first, 1);
      }
      put_operand16(to, first, v[r], order);
    }
  }
};

}  // namespace
}  // namespace millrace::kernels
