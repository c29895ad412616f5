// The checks of ops.cc: what is our bug ends the process, what is empty does nothing.
#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/parallel.h"
#include "kernels/reference/kv.h"
#include "kernels/reference/table.h"
#include "kernels/tables.h"
#include "kernels/testing.h"

namespace millrace::kernels {
namespace {

using testing::Rig;
using testing::SourceWeight;

GemmArgs gemm_args(const Weight& weight, const float* x, float* out, int m) {
  return {.x = x,
          .x_stride = weight.packed().k,
          .m = m,
          .k = weight.packed().k,
          .num_parts = 1,
          .parts = {{&weight.packed(), nullptr, out, weight.packed().n}},
          .epilogue = Epilogue::none,
          .accumulate = false};
}

TEST(Ops, WeightDescribesItself) {
  Rig rig(reference_kernels());
  const SourceWeight source(DType::q6_k, 7, 512, 1);
  const Weight weight(rig.ops, source.pack_args());
  EXPECT_FALSE(weight.empty());
  EXPECT_EQ(weight.packed().kind, DType::q6_k);
  EXPECT_EQ(weight.packed().n, 7);
  EXPECT_EQ(weight.packed().k, 512);
  EXPECT_EQ(weight.packed().group, 16);
  EXPECT_EQ(weight.packed().bytes, reference_kernels().packed_bytes(DType::q6_k, 7, 512));
  EXPECT_TRUE(Weight().empty());
}

TEST(Ops, NoRowsIsNoWork) {
  Rig rig(reference_kernels());
  const SourceWeight source(DType::f32, 4, 8, 1);
  const Weight weight(rig.ops, source.pack_args());
  float out = 0;
  gemm(rig.ops, gemm_args(weight, nullptr, &out, 0));
  gather_rows(rig.ops, {&weight.packed(), nullptr, 0, &out, 8});
  row_stats(rig.ops, {nullptr, 8, 0, 8, nullptr});
  kv_store(rig.ops, {{KvKind::f32, 16, 1, 8}, nullptr, nullptr, 8, 8, 0, nullptr, nullptr});
  EXPECT_EQ(out, 0);
}

TEST(Ops, PackedBytesRefusesWhatItCannotHold) {
  for (const Kernels* table : runnable_kernels()) {
    EXPECT_EQ(table->packed_bytes(DType::q4_0, 4, 33), 0U);
    EXPECT_EQ(table->packed_bytes(DType::q4_k, 4, 128), 0U);
    EXPECT_EQ(table->packed_bytes(DType::i64, 4, 32), 0U);
    EXPECT_EQ(table->packed_bytes(DType::bytes, 4, 32), 0U);
  }
}

using OpsDeathTest = ::testing::Test;

TEST(OpsDeathTest, WrongShapesAreOurBug) {
  Rig rig(reference_kernels(), Precision::standard, 1);
  const SourceWeight source(DType::f32, 4, 8, 1);
  const Weight weight(rig.ops, source.pack_args());
  std::vector<float> x(64), out(64);
  GemmArgs args = gemm_args(weight, x.data(), out.data(), 2);
  args.k = 7;
  EXPECT_DEATH(gemm(rig.ops, args), "broken invariant");
  args = gemm_args(weight, x.data(), out.data(), 2);
  args.parts[0].out_stride = 3;
  EXPECT_DEATH(gemm(rig.ops, args), "broken invariant");
  args = gemm_args(weight, x.data(), out.data(), 2);
  args.epilogue = Epilogue::silu_mul;  // with one part
  EXPECT_DEATH(gemm(rig.ops, args), "broken invariant");
  const std::int32_t id = 4;
  EXPECT_DEATH(gather_rows(rig.ops, {&weight.packed(), &id, 1, out.data(), 8}), "broken invariant");
  const std::int32_t slot = -1;
  EXPECT_DEATH(
      kv_store(rig.ops, {{KvKind::f32, 16, 1, 8}, x.data(), x.data(), 8, 8, 1, &slot, out.data()}),
      "broken invariant");
}

}  // namespace
}  // namespace millrace::kernels
