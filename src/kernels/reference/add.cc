#include "kernels/parallel.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {

void add_rows(const ExecView& exec, const AddRowsArgs& args) {
  parallel_for(exec, args.rows, [&](int row, int) {
    const std::ptrdiff_t begin = static_cast<std::ptrdiff_t>(row) * args.width;
    for (std::ptrdiff_t i = begin; i < begin + args.width; ++i) args.out[i] = args.x[i] + args.y[i];
  });
}

}  // namespace millrace::kernels::reference
