#include "engine/admission.h"

#include <gtest/gtest.h>

namespace millrace::engine {
namespace {

EngineConfig config_with_queue(int size) {
  EngineConfig config;
  config.max_num_queued = size;
  config.complete();
  return config;
}

Visitor from(const char* tenant, int priority = 0) {
  return {.tenant = tenant, .priority = priority, .num_prompt_tokens = 10};
}

TEST(Admission, FullIsRefusedWithARetryTime) {
  Admission door(config_with_queue(3));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(door.enter(from("a")));
  const Status refused = door.enter(from("a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "queue_full");
  EXPECT_GT(refused.error().retry_after_ms, 0);
  door.leave(from("a"));
  EXPECT_TRUE(door.enter(from("a")));
  EXPECT_EQ(door.num_waiting(), 3);
}

TEST(Admission, FullQueueKeepsAShareForOtherTenantsAndPriorities) {
  Admission door(config_with_queue(4));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(door.enter(from("flood")));
  EXPECT_TRUE(door.enter(from("quiet")));
  EXPECT_TRUE(door.enter(from("quiet")));
  EXPECT_FALSE(door.enter(from("quiet"))) << "its share is half of the queue";
  EXPECT_TRUE(door.enter(from("flood", -1)));
  EXPECT_FALSE(door.enter(from("flood", 1)));
  EXPECT_TRUE(door.enter(from("third")));
  EXPECT_FALSE(door.enter(from("fourth"))) << "twice the bound is the end";
}

TEST(Admission, ExpectedTtftFollowsQueueAndRate) {
  Admission door(config_with_queue(100));
  EXPECT_EQ(door.expected_ttft(from("a")), 0) << "nothing is known, nothing is refused";
  door.publish({.starts_per_second = 10,
                .seconds_per_prefill_token = 0.001,
                .step_seconds = 0.02,
                .is_full = true});
  EXPECT_NEAR(door.expected_ttft(from("a")), 0.1 + 0.01 + 0.02, 1e-9);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(door.enter(from("a")));
  EXPECT_NEAR(door.expected_ttft(from("a")), 2.1 + 0.01 + 0.02, 1e-9);
  EXPECT_NEAR(door.expected_ttft(from("b")), 0.2 + 0.01 + 0.02, 1e-9) << "tenants take turns";
  Visitor hurried = from("a");
  hurried.has_slo = true;
  EXPECT_NEAR(door.expected_ttft(hurried), 0.1 + 0.01 + 0.02, 1e-9) << "goes before those without";
}

TEST(Admission, RefusesWhatCannotMakeIt) {
  Admission door(config_with_queue(100));
  door.publish({.starts_per_second = 10, .step_seconds = 0.02, .is_full = true});
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(door.enter(from("a")));
  Visitor due = from("a");
  due.due_in = 2.0;
  const Status refused = door.enter(due);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "deadline_unattainable");
  due.due_in = 3.0;
  EXPECT_TRUE(door.enter(due));
}

}  // namespace
}  // namespace millrace::engine
