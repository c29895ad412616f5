// A row of weights is dequantised, then multiplied with every row of x; sums are in f64. Every
// Precision is computed alike, and a result depends on nothing but its own row of x.
#include <cmath>
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/reference/dequantize.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {
namespace {

float silu(float x) {
  return x / (1.0f + std::exp(-x));
}
float gelu_tanh(float x) {
  constexpr float kSqrt2OverPi = 0.7978845608028654f;
  return 0.5f * x * (1.0f + std::tanh(kSqrt2OverPi * (x + 0.044715f * x * x * x)));
}
float gelu_erf(float x) {
  constexpr float kSqrtHalf = 0.7071067811865476f;
  return 0.5f * x * (1.0f + std::erf(x * kSqrtHalf));
}

bool is_gated(Epilogue epilogue) {
  return epilogue == Epilogue::silu_mul || epilogue == Epilogue::gelu_tanh_mul;
}

float activate(Epilogue epilogue, float x) {
  switch (epilogue) {
    case Epilogue::none:
      return x;
    case Epilogue::silu_mul:
    case Epilogue::silu:
      return silu(x);
    case Epilogue::gelu_tanh_mul:
    case Epilogue::gelu_tanh:
      return gelu_tanh(x);
    case Epilogue::gelu_erf:
      return gelu_erf(x);
    case Epilogue::relu:
      return x > 0.0f ? x : 0.0f;
  }
  return x;
}

float dot(const float* x, const float* w, int k, const float* bias, int row) {
  double sum = bias != nullptr ? static_cast<double>(bias[row]) : 0.0;
  for (int i = 0; i < k; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(w[i]);
  return static_cast<float>(sum);
}

void put(const GemmArgs& args, const GemmPart& part, int row, int column, float value) {
  float& out = part.out[row * part.out_stride + column];
  out = args.accumulate ? out + value : value;
}

void plain_column(const GemmArgs& args, const GemmPart& part, int column, float* w) {
  dequantize_packed_row(*part.weight, column, w);
  for (int row = 0; row < args.m; ++row) {
    const float sum = dot(args.x + row * args.x_stride, w, args.k, part.bias, column);
    put(args, part, row, column, activate(args.epilogue, sum));
  }
}

void gated_column(const GemmArgs& args, int column, float* gate_w, float* up_w) {
  const GemmPart& gate = args.parts[0];
  const GemmPart& up = args.parts[1];
  dequantize_packed_row(*gate.weight, column, gate_w);
  dequantize_packed_row(*up.weight, column, up_w);
  for (int row = 0; row < args.m; ++row) {
    const float* x = args.x + row * args.x_stride;
    const float g = activate(args.epilogue, dot(x, gate_w, args.k, gate.bias, column));
    put(args, gate, row, column, g * dot(x, up_w, args.k, up.bias, column));
  }
}

}  // namespace

std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args) {
  // Two rows of weights a thread.
  return sizeof(float) * 2 * static_cast<std::size_t>(args.k) *
         static_cast<std::size_t>(exec.num_threads);
}

void gemm(const ExecView& exec, const GemmArgs& args) {
  const auto row_of = [&](int thread) {
    return static_cast<float*>(exec.scratch) + std::ptrdiff_t{2} * args.k * thread;
  };
  if (is_gated(args.epilogue)) {
    parallel_for(exec, args.parts[0].weight->n, [&](int column, int thread) {
      gated_column(args, column, row_of(thread), row_of(thread) + args.k);
    });
    return;
  }
  for (int p = 0; p < args.num_parts; ++p) {
    const GemmPart& part = args.parts[p];
    parallel_for(exec, part.weight->n,
                 [&](int column, int thread) { plain_column(args, part, column, row_of(thread)); });
  }
}

}  // namespace millrace::kernels::reference
