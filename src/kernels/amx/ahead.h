// What the ways for many rows share: memory that is wanted soon is asked for early.
#pragma once

#include "kernels/avx512/decode.h"

namespace millrace::kernels {
namespace {

// Lines wanted soon. A few are asked for after every step of k: there they cost next to nothing,
// while a burst would fill the line buffers that the tile loads need.
struct Ahead {
  struct Rows {
    const uint8_t* at;
    int64_t stride;  // bytes between rows
    int lines, rows;
  };
  static constexpr int kMost = 8;
  Rows queue[kMost];
  int size = 0, current = 0, line = 0;
  int total = 0, each = 0;

  void add(const void* at, int64_t stride, int lines, int rows) {
    if (lines <= 0 || rows <= 0) return;
    queue[size++] = {static_cast<const uint8_t*>(at), stride, lines, rows};
    total += lines * rows;
  }
  // To be called in `steps` steps.
  void spread(int steps) { each = (total + steps - 1) / steps; }
  void issue() {
    for (int i = 0; i < each && current < size; ++i) {
      Rows& rows = queue[current];
      _mm_prefetch(rows.at + 64 * line, _MM_HINT_T1);
      if (++line < rows.lines) continue;
      line = 0;
      rows.at += rows.stride;
      if (--rows.rows == 0) ++current;
    }
  }
};

// What a run of `tiles` tiles of 32 k, from `first` on, reads of a panel.
void add_weights(const PackedWeight& weight, int panel, int first, int tiles, Ahead& ahead) {
  with_kind(weight.kind, [&]<DType kind>() {
    const uint8_t* from = panel_at<kind>(weight, panel);
    const size_t all = padded_k(weight.k) / 32, at = static_cast<size_t>(first);
    const size_t values = values_bytes<kind>(weight.k), scales = scales_bytes<kind>(weight.k);
    const size_t count = static_cast<size_t>(tiles);
    ahead.add(from + values / all * at, 0, static_cast<int>(values / all * count / 64), 1);
    ahead.add(from + values + scales * at / all, 0, static_cast<int>(scales * count / all / 64), 1);
  });
}

}  // namespace
}  // namespace millrace::kernels
