#include "kernels/neon/gemm_integer.h"

namespace millrace::kernels::neon {

Multiply multiply_planes(DType kind, int rows, int tiles) {
  return for_kind(kind, Choose<RowValues::planes>{rows, tiles});
}

}  // namespace millrace::kernels::neon
