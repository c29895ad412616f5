#include "kernels/ceilings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "kernels/peak_loops.h"
#include "kernels/testing.h"

namespace millrace::kernels {
namespace {

class CeilingsOfEveryTable : public testing::EveryTable {};

TEST_P(CeilingsOfEveryTable, are_what_its_instructions_give) {
  testing::Rig rig(table());
  const Ceilings ceilings = measure_ceilings(rig.ops, 0.02);
  const std::string name = table().name;
  // Bounds that hold on any machine of this century and under any sanitizer.
  EXPECT_GT(ceilings.read_bytes_per_second, 1e7);
  EXPECT_LT(ceilings.read_bytes_per_second, 1e13);
  EXPECT_GT(ceilings.f32_flops, 1e6);
  EXPECT_LT(ceilings.f32_flops, 1e15);
  EXPECT_EQ(ceilings.bf16_flops > 0, name == "amx");
  EXPECT_EQ(ceilings.int8_ops > 0, name != "reference");
}

TEST_P(CeilingsOfEveryTable, count_operations_by_rounds) {
  const PeakLoops loops = peak_loops(table().name);
  for (const auto loop : {loops.f32, loops.bf16, loops.int8}) {
    if (!loop) continue;
    EXPECT_EQ(loop(200), 2 * loop(100));
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, CeilingsOfEveryTable, ::testing::ValuesIn(runnable_kernels()),
                         testing::table_name);

TEST(Ceilings, a_table_without_loops_of_its_own_has_plain_ones) {
  const PeakLoops loops = peak_loops("something-new");
  EXPECT_NE(loops.f32, nullptr);
  EXPECT_EQ(loops.bf16, nullptr);
  EXPECT_EQ(loops.int8, nullptr);
}

}  // namespace
}  // namespace millrace::kernels
