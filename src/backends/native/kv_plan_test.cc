#include "backends/native/kv_plan.h"

#include <gtest/gtest.h>

namespace millrace::backends {
namespace {

// 1 KiB a token.
KvNeeds needs(std::int64_t budget_tokens) {
  return {.budget_bytes = budget_tokens << 10,
          .block_bytes = 16 << 10,
          .block_tokens = 16,
          .model_context = 8192,
          .max_model_len = 0,
          .max_num_seqs = 4};
}

TEST(KvPlan, PlentyOfMemoryGivesTheModelsContextAndNoMoreThanCanBeUsed) {
  const auto plan = plan_kv(needs(1 << 20));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->max_model_len, 8192);
  EXPECT_EQ(plan->num_blocks, 4 * 8192 / 16);
}

TEST(KvPlan, LittleMemoryShortensAContextThatNobodyAskedFor) {
  const auto plan = plan_kv(needs(1000));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->max_model_len, 992);  // 62 blocks of 16
  EXPECT_EQ(plan->num_blocks, 62);
}

TEST(KvPlan, AnAskedForContextThatDoesNotFitIsRefusedWithFigures) {
  KvNeeds asked = needs(1000);
  asked.max_model_len = 4096;
  const auto plan = plan_kv(asked);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().kind, ErrorKind::too_large);
  EXPECT_EQ(plan.error().message,
            "the KV cache of 1.0 MiB has room for 992 tokens, but a context of 4096 tokens takes "
            "4.0 MiB: raise --kv-cache-memory or lower --max-model-len");
}

TEST(KvPlan, AUselesslyShortContextIsRefused) {
  EXPECT_FALSE(plan_kv(needs(500)).has_value());
  KvNeeds small_model = needs(500);
  small_model.model_context = 100;
  const auto plan = plan_kv(small_model);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->max_model_len, 100);
}

TEST(KvPlan, ALongerContextThanTheModelsIsCut) {
  KvNeeds asked = needs(1 << 20);
  asked.max_model_len = 100'000;
  EXPECT_EQ(plan_kv(asked)->max_model_len, 8192);
}

TEST(KvPlan, SlotsStayWithin32Bits) {
  KvNeeds huge = needs(std::int64_t{1} << 40);
  huge.model_context = 1 << 20;
  huge.max_num_seqs = 1 << 16;
  const auto plan = plan_kv(huge);
  ASSERT_TRUE(plan.has_value());
  EXPECT_LE(std::int64_t{plan->num_blocks} * 16, std::int64_t{1} << 31);
}

TEST(KvPlan, NoBudgetMeansTheDefault) {
  KvNeeds unset = needs(0);
  EXPECT_EQ(plan_kv(unset)->max_model_len, 8192);
}

}  // namespace
}  // namespace millrace::backends
