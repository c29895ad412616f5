// The epilogue of 32 rows of a pair of panels, a few rows at a time, while the tiles multiply the
// next 32: the vector units and the way to memory are idle there.
#pragma once

#include "kernels/amx/operand.h"
#include "kernels/amx/pairs.h"
#include "kernels/avx512/epilogue.h"

namespace millrace::kernels {
namespace {

class Finisher {
 public:
  // A pair's outputs begin: what all its rows have in common.
  void begin(const GemmArgs& all, const Pair& pair, bool gated) {
    const GemmPart& to = all.parts[pair.part[0]];
    const int column = pair.panel[0] * kPanelRows;
    epilogue_ = all.epilogue;
    accumulate_ = all.accumulate;
    behind_ = all.m;
    panels_ = !gated && pair.both ? 2 : 1;
    operand_ = static_cast<uint8_t*>(all.out_operand.data);
    const bool to_operand = operand_ != nullptr;
    if (to_operand) {
      operand_ += 2 * column;
      operand_bytes_ = operand_stride(to.weight->n);
      order_ = order_of_form(all.out_operand.form);
    } else {
      out_ = to.out + column;
      out_stride_ = to.out_stride;
      stream_ = should_stream(all, pair.part[0]);
    }
    for (int i = 0; i < (pair.both ? 2 : 1); ++i) {
      const GemmPart& part = all.parts[pair.part[i]];
      const int first = pair.panel[i] * kPanelRows;
      mask_[i] = tail_mask(part.weight->n - first);
      _mm512_store_ps(bias_[i], part.bias != nullptr
                                    ? _mm512_maskz_loadu_ps(mask_[i], part.bias + first)
                                    : _mm512_setzero_ps());
    }
    finish_ = chosen(gated ? all.epilogue : Epilogue::none, to_operand);
  }

  // The pair's next 32 rows (or what is left of them) have these sums, [2 panels][32][16], and are
  // to be finished in `steps` steps.
  void start(const float* sums, int steps) {
    sums_ = sums;
    left_ = behind_ < kRows ? behind_ : kRows;
    each_ = (left_ + steps - 1) / steps;
  }
  void step() {
    if (left_ > 0) finish_(*this, left_ < each_ ? left_ : each_);
  }
  void rest() {
    if (left_ > 0) finish_(*this, left_);
  }

 private:
  static constexpr int kRows = 32;
  static constexpr int kBetween = kRows * 16;  // floats from a panel's sums to the other's
  static constexpr int kRowsAhead = 8;
  using FinishFn = void (*)(Finisher&, int rows);

  static FinishFn chosen(Epilogue gate, bool to_operand) {
    switch (gate) {
      case Epilogue::silu_mul:
        return to_operand ? to_operand_rows<Epilogue::silu_mul> : to_f32_rows<Epilogue::silu_mul>;
      case Epilogue::gelu_tanh_mul:
        return to_operand ? to_operand_rows<Epilogue::gelu_tanh_mul>
                          : to_f32_rows<Epilogue::gelu_tanh_mul>;
      default:
        return to_operand ? to_operand_rows<Epilogue::none> : to_f32_rows<Epilogue::none>;
    }
  }

  // gate: none where panels are not gated; they may have any other epilogue. What a row needs is in
  // locals: a store to it might change members.
  template <Epilogue gate>
  static void to_operand_rows(Finisher& f, int rows) {
    const __m512 bias[2] = {_mm512_load_ps(f.bias_[0]), _mm512_load_ps(f.bias_[1])};
    const size_t bytes = f.operand_bytes_;
    const Order order = f.order_;
    const float* sums = f.sums_;
    uint8_t* to = f.operand_;
    for (int r = 0; r < rows; ++r, sums += 16, to += bytes) {
      __builtin_prefetch(to + kRowsAhead * bytes, 1);
      const __m512 first = _mm512_add_ps(_mm512_load_ps(sums), bias[0]);
      const __m512 second = _mm512_add_ps(_mm512_load_ps(sums + kBetween), bias[1]);
      if constexpr (gate != Epilogue::none) {
        put_operand16(to, 0, _mm512_mul_ps(activate16(gate, first), second), order);
      } else {
        put_operand16(to, 0, activate16(f.epilogue_, first), order);
        if (f.panels_ == 2) put_operand16(to, 16, activate16(f.epilogue_, second), order);
      }
    }
    f.operand_ = to;
    f.leave(sums, rows);
  }
  template <Epilogue gate>
  static void to_f32_rows(Finisher& f, int rows) {
    const __m512 bias[2] = {_mm512_load_ps(f.bias_[0]), _mm512_load_ps(f.bias_[1])};
    const int64_t stride = f.out_stride_;
    const float* sums = f.sums_;
    float* to = f.out_;
    for (int r = 0; r < rows; ++r, sums += 16, to += stride) {
      const __m512 first = _mm512_add_ps(_mm512_load_ps(sums), bias[0]);
      const __m512 second = _mm512_add_ps(_mm512_load_ps(sums + kBetween), bias[1]);
      if constexpr (gate != Epilogue::none) {
        f.put(0, to, _mm512_mul_ps(activate16(gate, first), second));
      } else {
        f.put(0, to, activate16(f.epilogue_, first));
        if (f.panels_ == 2) f.put(1, to + 16, activate16(f.epilogue_, second));
      }
    }
    f.out_ = to;
    f.leave(sums, rows);
  }

  void put(int i, float* to, __m512 v) const {
    if (stream_ && mask_[i] == 0xffff) return _mm512_stream_ps(to, v);
    // For writing: a store that waits for its line holds up the tile loads behind it.
    __builtin_prefetch(to + kRowsAhead * out_stride_, 1);
    if (accumulate_) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask_[i], to));
    _mm512_mask_storeu_ps(to, mask_[i], v);
  }
  void leave(const float* sums, int rows) {
    sums_ = sums;
    left_ -= rows;
    behind_ -= rows;
  }

  FinishFn finish_ = nullptr;
  Epilogue epilogue_ = Epilogue::none;
  const float* sums_ = nullptr;  // of the next row: [16], and the second panel's
  float* out_ = nullptr;         // of the next row
  int64_t out_stride_ = 0;
  uint8_t* operand_ = nullptr;  // or where the operand has its 16 or 32 values
  size_t operand_bytes_ = 0;    // between its rows
  Order order_ = Order::plain;
  int left_ = 0;    // rows of these 32
  int behind_ = 0;  // rows of x from the next one on
  int each_ = 0;    // rows a step
  int panels_ = 0;
  bool stream_ = false, accumulate_ = false;
  __mmask16 mask_[2] = {};
  alignas(64) float bias_[2][16] = {};
};

}  // namespace
}  // namespace millrace::kernels
