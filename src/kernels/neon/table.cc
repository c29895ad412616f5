#include "kernels/neon/table.h"

#include "kernels/neon/layout.h"
#include "kernels/tables.h"

namespace millrace::kernels {

// Every op is its own: packing, KV layout and what reads them go together.
const Kernels& neon_kernels() {
  static constexpr Kernels kTable = {
      .name = "neon",
      .packed_bytes = neon::packed_bytes,
      .pack_row_multiple = neon::kTileRows,
      .pack_weight = neon::pack_weight,
      .gemm_scratch = neon::gemm_scratch,
      .gemm = neon::gemm,
      .gather_rows = neon::gather_rows,
      .rms_norm = neon::rms_norm,
      .layer_norm = neon::layer_norm,
      .rope = neon::rope,
      .add_rows = neon::add_rows,
      .kv_block_bytes = neon::kv_block_bytes,
      .kv_store = neon::kv_store,
      .attention_scratch = neon::attention_scratch,
      .attention = neon::attention,
      .row_stats = neon::row_stats,
  };
  return kTable;
}

}  // namespace millrace::kernels
