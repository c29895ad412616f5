#include "kernels/reference/table.h"

#include "kernels/tables.h"

namespace millrace::kernels {

const Kernels& reference_kernels() {
  static constexpr Kernels kTable = {
      .name = "reference",
      .packed_bytes = reference::packed_bytes,
      .pack_row_multiple = 1,
      .pack_weight = reference::pack_weight,
      .gemm_scratch = reference::gemm_scratch,
      .gemm = reference::gemm,
      .gather_rows = reference::gather_rows,
      .rms_norm = reference::rms_norm,
      .layer_norm = reference::layer_norm,
      .rope = reference::rope,
      .add_rows = reference::add_rows,
      .kv_block_bytes = reference::kv_block_bytes,
      .kv_store = reference::kv_store,
      .attention_scratch = reference::attention_scratch,
      .attention = reference::attention,
      .row_stats = reference::row_stats,
  };
  return kTable;
}

}  // namespace millrace::kernels
