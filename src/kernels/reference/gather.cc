#include "kernels/parallel.h"
#include "kernels/reference/dequantize.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {

void gather_rows(const ExecView& exec, const GatherRowsArgs& args) {
  parallel_for(exec, args.count, [&](int i, int) {
    dequantize_packed_row(*args.weight, args.ids[i], args.out + i * args.out_stride);
  });
}

}  // namespace millrace::kernels::reference
