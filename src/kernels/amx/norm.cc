#include "kernels/amx/norm.h"

#include "kernels/amx/operand.h"
#include "kernels/avx512/norm.h"
#include "kernels/avx512/ops.h"

namespace millrace::kernels {
namespace {

struct PutOperand {
  PutOperand(const NormArgs& args, int row)
      : to(static_cast<uint8_t*>(args.out_operand.data) +
           static_cast<size_t>(row) * operand_stride(args.width)),
        order(order_of_form(args.out_operand.form)) {}
  void operator()(int i, __mmask16, __m512 v) const { put_operand16(to, i, v, order); }
  uint8_t* to;
  Order order;
};

}  // namespace

namespace amx {

void rms_norm(const ExecView& exec, const NormArgs& args) {
  if (args.out_operand.form == 0) return avx512::rms_norm(exec, args);
  for_row_runs(exec, args.rows, args.width, [&](int begin, int end) {
    for (int row = begin; row < end; ++row) rms_norm_row(args, row, PutOperand(args, row));
  });
}

void layer_norm(const ExecView& exec, const NormArgs& args) {
  if (args.out_operand.form == 0) return avx512::layer_norm(exec, args);
  for_row_runs(exec, args.rows, args.width, [&](int begin, int end) {
    for (int row = begin; row < end; ++row) layer_norm_row(args, row, PutOperand(args, row));
  });
}

}  // namespace amx
}  // namespace millrace::kernels
