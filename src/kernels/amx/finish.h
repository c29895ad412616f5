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
  int each = 0;    // rows a step
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
    each = (left + steps - 1) / steps;
  }

  void step() {
    for (int i = 0; i < each && left > 0; ++i) finish_row();
  }
  void rest() {
    while (left > 0) finish_row();
  }

 private:
  static constexpr int kRowsAhead = 8;

  void finish_row() {
    if (gated) {
      put(0, _mm512_mul_ps(activated(0), with_bias(1)));
    } else {
      put(0, activated(0));
      if (panels == 2) put(1, activated(1));
    }
    sums += 16;
    if (operand != nullptr) {
      operand += operand_bytes;
    } else {
      out += out_stride;
    }
    --left;
    --behind;
  }
  __m512 with_bias(int i) const {
    return _mm512_add_ps(_mm512_load_ps(sums + i * kBetween), _mm512_load_ps(bias[i]));
  }
  __m512 activated(int i) const { return activate16(args->epilogue, with_bias(i)); }

  void put(int i, __m512 v) const {
    if (operand != nullptr) {
      const int first = column + 16 * i;
      prefetch_rows_ahead(operand + 2 * first, operand_bytes);
      return put_operand16(operand, first, v, order);
    }
    float* to = out + 16 * i;
    if (stream && mask[i] == 0xffff) return _mm512_stream_ps(to, v);
    prefetch_rows_ahead(to, static_cast<size_t>(out_stride) * sizeof(float));
    if (args->accumulate) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask[i], to));
    _mm512_mask_storeu_ps(to, mask[i], v);
  }
  // For writing: a store that waits for its line holds up the tile loads behind it.
  void prefetch_rows_ahead(const void* to, size_t bytes_a_row) const {
    if (behind <= kRowsAhead) return;
    __builtin_prefetch(static_cast<const uint8_t*>(to) + kRowsAhead * bytes_a_row, 1);
  }
};

}  // namespace
}  // namespace millrace::kernels
