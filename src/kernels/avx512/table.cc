#include "kernels/tables.h"

#include "kernels/avx512/ops.h"
#include "kernels/avx512/panel.h"

namespace millrace::kernels {
namespace {

Kernels make_table() {
  Kernels table = reference_kernels();
  table.name = "avx512";
  table.packed_bytes = avx512::packed_bytes;
  table.pack_row_multiple = kPanelRows;
  table.pack_weight = avx512::pack_weight;
  table.gemm_scratch = avx512::gemm_scratch;
  table.gemm = avx512::gemm;
  table.gather_rows = avx512::gather_rows;
  table.rms_norm = avx512::rms_norm;
  table.layer_norm = avx512::layer_norm;
  table.rope = avx512::rope;
  table.add_rows = avx512::add_rows;
  table.kv_block_bytes = avx512::kv_block_bytes;
  table.kv_store = avx512::kv_store;
  table.attention_scratch = avx512::attention_scratch;
  table.attention = avx512::attention;
  table.row_stats = avx512::row_stats;
  return table;
}

}  // namespace

const Kernels& avx512_kernels() {
  static const Kernels kTable = make_table();
  return kTable;
}

}  // namespace millrace::kernels
