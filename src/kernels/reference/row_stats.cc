#include <cmath>

#include "kernels/parallel.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {

void row_stats(const ExecView& exec, const RowStatsArgs& args) {
  parallel_for(exec, args.rows, [&](int row, int) {
    const float* x = args.x + row * args.x_stride;
    RowStats stats = {.max = -HUGE_VALF, .argmax = 0, .log_sum_exp = 0};
    for (int i = 0; i < args.width; ++i) {
      if (x[i] > stats.max) stats.max = x[i], stats.argmax = i;
    }
    double sum = 0;
    for (int i = 0; i < args.width; ++i) sum += std::exp(static_cast<double>(x[i]) - stats.max);
    stats.log_sum_exp = static_cast<float>(stats.max + std::log(sum));
    args.out[row] = stats;
  });
}

}  // namespace millrace::kernels::reference
