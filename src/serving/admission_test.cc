#include "serving/admission.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace millrace::serving {
namespace {

TEST(Admission, CountsWhatIsInFlight) {
  Admission admission({.max_requests = 2});
  auto first = admission.admit("");
  auto second = admission.admit("a");
  ASSERT_TRUE(first && second);
  const auto third = admission.admit("b");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(third.error().code, "overloaded");
  EXPECT_GT(third.error().retry_after_ms, 0);
  *first = {};
  EXPECT_EQ(admission.num_requests(), 1);
  EXPECT_TRUE(admission.admit("b"));
}

TEST(Admission, LimitsNamedTenantsOnly) {
  Admission admission({.max_requests = 100, .max_requests_per_tenant = 1});
  auto a = admission.admit("a");
  ASSERT_TRUE(a);
  const auto again = admission.admit("a");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::rate_limited);
  EXPECT_EQ(admission.num_requests(), 1) << "a refused request takes no place";
  EXPECT_TRUE(admission.admit("b"));
  std::vector<Admission::Permit> anonymous;
  for (int i = 0; i < 5; ++i) anonymous.push_back(std::move(*admission.admit("")));
  *a = {};
  EXPECT_TRUE(admission.admit("a"));
}

TEST(Admission, PermitsMoveAndLeaveOnce) {
  Admission admission({});
  {
    auto permit = admission.admit("t");
    Admission::Permit moved = std::move(*permit);
    Admission::Permit again;
    again = std::move(moved);
    EXPECT_EQ(admission.num_requests(), 1);
  }
  EXPECT_EQ(admission.num_requests(), 0);
}

TEST(Admission, ClosedRefusesNewRequestsOnly) {
  Admission admission({});
  auto running = admission.admit("");
  admission.close();
  EXPECT_TRUE(admission.closed());
  const auto late = admission.admit("");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, "shutting_down");
  EXPECT_EQ(admission.num_requests(), 1);
}

}  // namespace
}  // namespace millrace::serving
