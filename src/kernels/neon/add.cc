#include "kernels/neon/simd.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {

void add_rows(const ExecView& exec, const AddRowsArgs& args) {
  parallel_ranges(exec, args.rows, args.width, [&](int begin, int end) {
    const int64_t last = int64_t{end} * args.width;
    for (int64_t i = int64_t{begin} * args.width; i < last; i += kLanes) {
      const int left = static_cast<int>(smaller<int64_t>(kLanes, last - i));
      store_first(args.out + i,
                  vaddq_f32(load_first(args.x + i, left), load_first(args.y + i, left)), left);
    }
  });
}

}  // namespace millrace::kernels::neon
