// What happens to a panel's sums on their way to `out`: bias, activation, gate, residual.
#pragma once

#include "kernels/avx512/panel.h"
#include "kernels/avx512/simd.h"

namespace millrace::kernels {
namespace {

inline bool is_gated(Epilogue epilogue) {
  return epilogue == Epilogue::silu_mul || epilogue == Epilogue::gelu_tanh_mul;
}

inline __m512 activate16(Epilogue epilogue, __m512 x) {
  switch (epilogue) {
    case Epilogue::none:
      return x;
    case Epilogue::silu:
    case Epilogue::silu_mul:
      return silu16(x);
    case Epilogue::gelu_tanh:
    case Epilogue::gelu_tanh_mul:
      return gelu_tanh16(x);
    case Epilogue::gelu_erf:
      return gelu_erf16(x);
    case Epilogue::relu:
      return _mm512_max_ps(x, _mm512_setzero_ps());
  }
  return x;
}

// Rows [first_row, first_row + rows) of panel `panel` of part `part`. sums: [rows][16]; up: the
// same of part 1 when gated.
inline void finish_panel(const GemmArgs& args, int part, int panel, int first_row, int rows,
                         const float* sums, const float* up, bool stream = false) {
  const GemmPart& to = args.parts[part];
  const int column = panel * kPanelRows;
  const __mmask16 mask = tail_mask(to.weight->n - column);
  const bool gated = is_gated(args.epilogue);
  const __m512 bias =
      to.bias != nullptr ? _mm512_maskz_loadu_ps(mask, to.bias + column) : _mm512_setzero_ps();
  const float* up_bias_from = gated ? args.parts[1].bias : nullptr;
  const __m512 up_bias = up_bias_from != nullptr
                             ? _mm512_maskz_loadu_ps(mask, up_bias_from + column)
                             : _mm512_setzero_ps();
  for (int r = 0; r < rows; ++r) {
    __m512 v = activate16(args.epilogue, _mm512_add_ps(_mm512_loadu_ps(sums + 16 * r), bias));
    if (gated) v = _mm512_mul_ps(v, _mm512_add_ps(_mm512_loadu_ps(up + 16 * r), up_bias));
    float* out = to.out + (first_row + r) * to.out_stride + column;
    if (args.accumulate) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, out));
    if (stream && mask == 0xffff) {
      _mm512_stream_ps(out, v);
    } else {
      _mm512_mask_storeu_ps(out, mask, v);
    }
  }
}

// Whether a part's output is better written past the caches: too large to stay in L2, so that
// fetching the lines first would cost as much as the product of a narrow layer; and never read
// here.
inline bool should_stream(const GemmArgs& args, int part) {
  constexpr int64_t kLarge = 1 << 20;
  const GemmPart& to = args.parts[part];
  const bool aligned = reinterpret_cast<uintptr_t>(to.out) % 64 == 0 && to.out_stride % 16 == 0;
  return aligned && !args.accumulate && int64_t{args.m} * to.weight->n * 4 >= kLarge;
}

// Rows [first, first + most) of a product, or as many as it has. Operands stay where they are.
inline GemmArgs row_block(const GemmArgs& args, int first, int most) {
  GemmArgs rows = args;
  rows.m = args.m - first < most ? args.m - first : most;
  if (rows.x != nullptr) rows.x += first * args.x_stride;
  for (int p = 0; p < args.num_parts; ++p) {
    if (rows.parts[p].out != nullptr) rows.parts[p].out += first * args.parts[p].out_stride;
  }
  return rows;
}

// Calls f with the product cut into runs of at most `most` rows of x.
template <class F>
inline void for_row_blocks(const GemmArgs& args, int most, const F& f) {
  for (int first = 0; first < args.m; first += most) f(row_block(args, first, most));
}

// The panels of all parts in a line. Gated parts go together.
struct PanelLine {
  int total = 0, num_parts, panels[4] = {};

  explicit PanelLine(const GemmArgs& args)
      : num_parts(is_gated(args.epilogue) ? 1 : args.num_parts) {
    for (int p = 0; p < num_parts; ++p) {
      panels[p] = num_panels(args.parts[p].weight->n);
      total += panels[p];
    }
  }
};

// A line cut into pieces for the pool.
struct PanelRange {
  int part, begin, end;
};
struct PanelPlan {
  PanelLine line;
  int per_piece, num_pieces;

  int pieces_of(int part) const { return (line.panels[part] + per_piece - 1) / per_piece; }
};

// Pieces are multiples of `multiple` panels and lie within a part.
inline PanelPlan plan_panels(const ExecView& exec, const GemmArgs& args, int multiple,
                             int most_per_piece) {
  PanelPlan plan = {PanelLine(args), 0, 0};
  const int wanted = exec.num_threads > 1 ? exec.num_threads * 4 : 1;
  plan.per_piece = round_up((plan.line.total + wanted - 1) / wanted, multiple);
  if (plan.per_piece > most_per_piece) plan.per_piece = most_per_piece;
  for (int p = 0; p < plan.line.num_parts; ++p) plan.num_pieces += plan.pieces_of(p);
  return plan;
}

inline PanelRange piece_at(const PanelPlan& plan, int index) {
  for (int p = 0; p < plan.line.num_parts; ++p) {
    const int pieces = plan.pieces_of(p), panels = plan.line.panels[p];
    if (index < pieces) {
      const int begin = index * plan.per_piece;
      const int end = begin + plan.per_piece < panels ? begin + plan.per_piece : panels;
      return {p, begin, end};
    }
    index -= pieces;
  }
  return {0, 0, 0};
}

}  // namespace
}  // namespace millrace::kernels
