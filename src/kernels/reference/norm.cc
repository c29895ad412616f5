#include <cmath>

#include "kernels/parallel.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {

void rms_norm(const ExecView& exec, const NormArgs& args) {
  parallel_for(exec, args.rows, [&](int row, int) {
    const float* x = args.x + row * args.x_stride;
    float* out = args.out + row * args.out_stride;
    double squares = 0;
    for (int i = 0; i < args.width; ++i) squares += static_cast<double>(x[i]) * x[i];
    const auto scale = static_cast<float>(1.0 / std::sqrt(squares / args.width + args.eps));
    for (int i = 0; i < args.width; ++i) {
      out[i] = x[i] * scale * (args.weight[i] + args.weight_offset);
    }
  });
}

void layer_norm(const ExecView& exec, const NormArgs& args) {
  parallel_for(exec, args.rows, [&](int row, int) {
    const float* x = args.x + row * args.x_stride;
    float* out = args.out + row * args.out_stride;
    double sum = 0, squares = 0;
    for (int i = 0; i < args.width; ++i) sum += x[i];
    const double mean = sum / args.width;
    for (int i = 0; i < args.width; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const double scale = 1.0 / std::sqrt(squares / args.width + args.eps);
    for (int i = 0; i < args.width; ++i) {
      const auto normal = static_cast<float>((x[i] - mean) * scale);
      const float shift = args.bias != nullptr ? args.bias[i] : 0.0f;
      out[i] = normal * (args.weight[i] + args.weight_offset) + shift;
    }
  });
}

}  // namespace millrace::kernels::reference
