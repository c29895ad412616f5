#include "kernels/avx2/simd.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {

void add_rows(const ExecView& exec, const AddRowsArgs& args) {
  parallel_ranges(exec, args.rows, args.width, [&](int begin, int end) {
    const int64_t last = int64_t{end} * args.width;
    for (int64_t i = int64_t{begin} * args.width; i < last; i += 8) {
      const int left = static_cast<int>(smaller<int64_t>(8, last - i));
      store_first(args.out + i,
                  _mm256_add_ps(load_first(args.x + i, left), load_first(args.y + i, left)), left);
    }
  });
}

}  // namespace millrace::kernels::avx2
