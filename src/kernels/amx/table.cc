#include "kernels/amx/attention.h"
#include "kernels/amx/gemm.h"
#include "kernels/amx/norm.h"
#include "kernels/tables.h"

namespace millrace::kernels {
namespace {

Kernels make_table() {
  Kernels table = avx512_kernels();
  table.name = "amx";
  table.gemm_scratch = amx::gemm_scratch;
  table.gemm = amx::gemm;
  table.operand_form = amx::operand_form;
  table.operand_bytes = amx::operand_bytes;
  table.rms_norm = amx::rms_norm;
  table.layer_norm = amx::layer_norm;
  table.attention_scratch = amx::attention_scratch;
  table.attention = amx::attention;
  return table;
}

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kTable = make_table();
  return kTable;
}

}  // namespace millrace::kernels
