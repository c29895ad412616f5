// The epilogue of a pair of panels, a few rows at a time, while the tiles multiply the next pair:
// the vector units and the way to memory are idle there.
#pragma once

#include "kernels/amx/pairs.h"
#include "kernels/avx512/epilogue.h"

namespace millrace::kernels {
namespace {

struct Finisher {
  const GemmArgs* args = nullptr;
  const float* sums = nullptr;  // of the next row: [16], the second panel's `between` floats behind
  size_t between = 0;
  float* out = nullptr;  // of the next row
  int64_t out_stride = 0;
  int left = 0;  // rows
  int each = 0;  // rows a step
  int panels = 0;
  bool gated = false, stream = false;
  __mmask16 mask[2] = {};
  alignas(64) float bias[2][16] = {};

  void start(const GemmArgs& all, const Pair& pair, bool is_pair_gated, const float* from,
             size_t floats_between, int steps) {
    const GemmPart& to = all.parts[pair.part[0]];
    const int column = pair.panel[0] * kPanelRows;
    args = &all;
    sums = from;
    between = floats_between;
    out = to.out + column;
    out_stride = to.out_stride;
    left = all.m;
    each = (all.m + steps - 1) / steps;
    gated = is_pair_gated;
    panels = !gated && pair.both ? 2 : 1;
    stream = should_stream(all, pair.part[0]);
    for (int i = 0; i < (pair.both ? 2 : 1); ++i) {
      const GemmPart& part = all.parts[pair.part[i]];
      const int first = pair.panel[i] * kPanelRows;
      mask[i] = tail_mask(part.weight->n - first);
      _mm512_store_ps(bias[i], part.bias != nullptr
                                   ? _mm512_maskz_loadu_ps(mask[i], part.bias + first)
                                   : _mm512_setzero_ps());
    }
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
      const __m512 up = _mm512_add_ps(_mm512_load_ps(sums + between), _mm512_load_ps(bias[1]));
      put(0, _mm512_mul_ps(activated(0), up));
    } else {
      put(0, activated(0));
      if (panels == 2) put(1, activated(1));
    }
    sums += 16;
    out += out_stride;
    --left;
  }
  __m512 activated(int i) const {
    const __m512 v =
        _mm512_add_ps(_mm512_load_ps(sums + (i == 0 ? 0 : between)), _mm512_load_ps(bias[i]));
    return activate16(args->epilogue, v);
  }
  void put(int i, __m512 v) const {
    float* to = out + 16 * i;
    if (args->accumulate) {
      if (left > kRowsAhead) {
        _mm_prefetch(reinterpret_cast<const char*>(to + kRowsAhead * out_stride), _MM_HINT_T0);
      }
      v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask[i], to));
    }
    if (stream && mask[i] == 0xffff) {
      _mm512_stream_ps(to, v);
    } else {
      _mm512_mask_storeu_ps(to, mask[i], v);
    }
  }
};

}  // namespace
}  // namespace millrace::kernels
