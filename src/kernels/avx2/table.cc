#include "kernels/avx2/table.h"

#include "kernels/avx2/layout.h"
#include "kernels/tables.h"

namespace millrace::kernels {

// Every op is its own: packing, KV layout and what reads them go together.
const Kernels& avx2_kernels() {
  static constexpr Kernels kTable = {
      .name = "avx2",
      .packed_bytes = avx2::packed_bytes,
      .pack_row_multiple = avx2::kTileRows,
      .pack_weight = avx2::pack_weight,
      .gemm_scratch = avx2::gemm_scratch,
      .gemm = avx2::gemm,
      .gather_rows = avx2::gather_rows,
      .rms_norm = avx2::rms_norm,
      .layer_norm = avx2::layer_norm,
      .rope = avx2::rope,
      .add_rows = avx2::add_rows,
      .kv_block_bytes = avx2::kv_block_bytes,
      .kv_store = avx2::kv_store,
      .attention_scratch = avx2::attention_scratch,
      .attention = avx2::attention,
      .row_stats = avx2::row_stats,
  };
  return kTable;
}

}  // namespace millrace::kernels
