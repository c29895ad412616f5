#include "tensor/exec.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace millrace {
namespace {

TEST(Exec, DescribesItsPool) {
  ComputePool pool(3);
  const Exec exec(pool, Precision::exact);
  EXPECT_EQ(exec.num_threads(), 3);
  EXPECT_EQ(exec.precision(), Precision::exact);
  EXPECT_EQ(exec.scratch_bytes(), 0U);
}

TEST(Exec, ScratchGrowsAndStays) {
  ComputePool pool(1);
  Exec exec(pool);
  const void* const first = exec.view(1000).scratch;
  EXPECT_GE(exec.scratch_bytes(), 1000U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0U);
  EXPECT_EQ(exec.view(10).scratch, first) << "smaller asks allocate nothing";
  const ExecView& big = exec.view(std::size_t{3} << 20);
  ASSERT_GE(big.scratch_bytes, std::size_t{3} << 20);
  std::memset(big.scratch, 1, big.scratch_bytes);
  EXPECT_EQ(exec.view(1000).scratch, big.scratch);
}

TEST(Exec, ViewRunsOnThePool) {
  ComputePool pool(2);
  Exec exec(pool);
  const ExecView& view = exec.view(0);
  std::atomic<int> sum{0};
  view.parallel(
      view.pool, 10,
      [](void* context, int index, int) { *static_cast<std::atomic<int>*>(context) += index; },
      &sum);
  EXPECT_EQ(sum, 45);
}

}  // namespace
}  // namespace millrace
