#include "kernels/parallel.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {

void rope(const ExecView& exec, const RopeArgs& args) {
  const int pairs = args.rotary_dim / 2;
  parallel_for(exec, args.tokens, [&](int token, int) {
    const std::ptrdiff_t angle = static_cast<std::ptrdiff_t>(args.positions[token]) * pairs;
    for (int head = 0; head < args.heads; ++head) {
      float* x = args.x + token * args.x_stride + static_cast<std::ptrdiff_t>(head) * args.head_dim;
      for (int i = 0; i < pairs; ++i) {
        float& first = x[args.interleaved ? 2 * i : i];
        float& second = x[args.interleaved ? 2 * i + 1 : i + pairs];
        const float c = args.cosine[angle + i], s = args.sine[angle + i];
        const float a = first, b = second;
        first = a * c - b * s;
        second = b * c + a * s;
      }
    }
  });
}

}  // namespace millrace::kernels::reference
