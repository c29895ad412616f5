#include "serving/memory_budget.h"

#include <gtest/gtest.h>

namespace millrace::serving {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

TEST(MemoryBudget, RefusesWithTheFigures) {
  Metrics metrics;
  MemoryBudget budget({.total_bytes = 100 * kMiB}, metrics);
  ASSERT_TRUE(budget.set("small", {.weight_bytes = 40 * kMiB, .kv_cache_bytes = 10 * kMiB}));
  const auto refused = budget.set("big", {.weight_bytes = 60 * kMiB});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::too_large);
  EXPECT_EQ(refused.error().code, "out_of_memory");
  for (const char* figure : {"big", "60.0 MiB", "50.0 MiB", "100.0 MiB"}) {
    EXPECT_NE(refused.error().message.find(figure), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(budget.used(), 50 * kMiB);
}

TEST(MemoryBudget, SettingAgainReplaces) {
  Metrics metrics;
  MemoryBudget budget({.total_bytes = 100}, metrics);
  ASSERT_TRUE(budget.set("m", {.weight_bytes = 80}));
  ASSERT_TRUE(budget.set("m", {.weight_bytes = 90, .kv_cache_bytes = 10}));
  EXPECT_FALSE(budget.set("m", {.weight_bytes = 90, .kv_cache_bytes = 11}));
  EXPECT_EQ(budget.used(), 100) << "a refusal changes nothing";
  budget.release("m");
  EXPECT_EQ(budget.used(), 0);
}

TEST(MemoryBudget, SharesWhatTheWeightsLeave) {
  Metrics metrics;
  MemoryBudget half({.total_bytes = 1000}, metrics);
  EXPECT_EQ(half.kv_share(200, 2), 200);
  EXPECT_EQ(half.kv_share(2000, 2), 0);
  EXPECT_EQ(half.kv_share(0, 0), 0);
  MemoryBudget given({.total_bytes = 1000, .kv_cache_bytes = 600}, metrics);
  EXPECT_EQ(given.kv_share(200, 3), 200);
  EXPECT_EQ(given.kv_share(700, 1), 300) << "never more than is left";
}

TEST(MemoryBudget, IsAMetric) {
  Metrics metrics;
  MemoryBudget budget({.total_bytes = 1000}, metrics);
  ASSERT_TRUE(budget.set("m", {.weight_bytes = 300, .kv_cache_bytes = 70}));
  const std::string text = metrics.expose();
  EXPECT_NE(text.find("millrace_memory_limit_bytes 1000"), std::string::npos) << text;
  EXPECT_NE(text.find(R"(millrace_memory_bytes{kind="kv_cache",model_name="m"} 70)"),
            std::string::npos)
      << text;
}

TEST(MemoryBudget, DefaultsToMostOfWhatTheMachineHas) {
  Metrics metrics;
  const MemoryBudget budget({}, metrics);
  EXPECT_GT(available_memory_bytes(), 64 * kMiB);
  EXPECT_GT(budget.limit(), available_memory_bytes() / 2);
  EXPECT_LT(budget.limit(), available_memory_bytes());
}

}  // namespace
}  // namespace millrace::serving
