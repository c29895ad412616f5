// avx512 promises (avx512/gemm.h) that a row's result is the same bits in any batch, with 16-bit
// activations too, though one and two rows go another way than more. Of plain weights only
// Precision::exact says so: many rows may be rounded to bf16 (gemm_pairs.cc).
#include "kernels/testing.h"

namespace millrace::kernels::testing {
namespace {

TEST(FewRows, AreTheSameBitsInABatch) {
  const auto table = select_kernels("avx512");
  if (!table) GTEST_SKIP() << "this machine has no AVX-512 with VNNI";
  constexpr int kRows = 7, kK = 768;
  for (const int n : {16, 80, 200}) {  // one panel, side by side and one more, a panel cut short
    for (const DType kind : weight_kinds()) {
      SCOPED_TRACE(std::string(dtype_name(kind)) + ", " + std::to_string(n) + " outputs");
      const bool plain = dtype_block_elements(kind) == 1 && kind != DType::i8;
      Rig rig(**table, plain ? Precision::exact : Precision::standard);
      const SourceWeight source(kind, n, kK, 1);
      const Weight weight(rig.ops, source.pack_args());
      const Matrix x = Matrix::random(kRows, kK, 3, 2);
      const auto multiply = [&](int first, int rows) {
        Matrix out(rows, n, 1, kPoison);
        gemm(rig.ops, {.x = x.row(first),
                       .x_stride = x.stride,
                       .m = rows,
                       .k = kK,
                       .num_parts = 1,
                       .parts = {{.weight = &weight.packed(),
                                  .bias = nullptr,
                                  .out = out.values.data(),
                                  .out_stride = out.stride}},
                       .epilogue = Epilogue::none,
                       .accumulate = false});
        EXPECT_TRUE(out.canaries_intact());
        return out;
      };
      const Matrix all = multiply(0, kRows);
      for (const int rows : {1, 2, 4}) {
        const Matrix few = multiply(2, rows);
        for (int r = 0; r < rows; ++r) {
          ASSERT_TRUE(same_bits(few.row(r), all.row(2 + r), n)) << rows << " rows, row " << r;
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::kernels::testing
