#include "kernels/select.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/tables.h"

namespace millrace::kernels {
namespace {

TEST(Select, AutoIsTheBestAndReferenceAlwaysRuns) {
  const auto tables = runnable_kernels();
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(tables.front(), &reference_kernels());
  EXPECT_EQ(select_kernels().value(), tables.back());
  EXPECT_EQ(select_kernels("").value(), tables.back());
  for (const Kernels* table : tables) EXPECT_EQ(select_kernels(table->name).value(), table);
}

TEST(Select, UnknownNameListsTheKnown) {
  const auto chosen = select_kernels("pentium");
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().kind, ErrorKind::invalid_argument);
  EXPECT_NE(chosen.error().message.find("pentium"), std::string::npos);
  EXPECT_NE(chosen.error().message.find("reference"), std::string::npos);
}

// A table that left a field null would crash at the first use of that op.
TEST(Select, EveryFieldIsFilled) {
  for (const Kernels* t : runnable_kernels()) {
    SCOPED_TRACE(t->name);
    EXPECT_TRUE(t->packed_bytes && t->pack_weight && t->gemm_scratch && t->gemm && t->gather_rows);
    EXPECT_TRUE(t->rms_norm && t->layer_norm && t->rope && t->add_rows);
    EXPECT_TRUE(t->kv_block_bytes && t->kv_store && t->attention_scratch && t->attention);
    EXPECT_TRUE(t->row_stats);
    EXPECT_GE(t->pack_row_multiple, 1);
  }
}

}  // namespace
}  // namespace millrace::kernels
