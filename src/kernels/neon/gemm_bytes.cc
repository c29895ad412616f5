#include "kernels/neon/gemm_integer.h"

namespace millrace::kernels::neon {

Multiply multiply_bytes(DType kind, int rows, int tiles) {
  return for_kind(kind, Choose<RowValues::bytes>{rows, tiles});
}

}  // namespace millrace::kernels::neon
