#include "loadgen/sweep.h"

#include <gtest/gtest.h>

#include <vector>

#include "loadgen/html_report.h"

namespace millrace::loadgen {
namespace {

// A server that makes `most` tokens a second at best and 100 for a single user: throughput is
// min(100 N, most), and by Little's law a request of 10 tokens takes N · 10 / throughput seconds.
RunResult at_users(int users, double most, double attainment) {
  RunResult r;
  r.load_level = users;
  r.load_unit = "users";
  r.label = std::to_string(users);
  r.output_tokens_per_second = std::min(100.0 * users, most);
  const double seconds = users * 10 / r.output_tokens_per_second;
  r.e2e_ms = summarise({seconds * 1e3});
  r.ttft_ms = summarise({seconds * 100});
  r.tpot_ms = summarise({seconds * 100});
  r.num_requests = r.num_ok = 100;
  r.slo = {.ttft_ms = 1};
  r.slo_attainment = attainment;
  return r;
}

TEST(Sweep, the_knee_is_where_more_users_stop_to_pay) {
  std::vector<RunResult> results;
  for (const int users : {1, 2, 4, 8, 16, 32}) results.push_back(at_users(users, 800, 1));
  const SweepSummary summary = summarise_sweep(results, 0.99);
  ASSERT_TRUE(summary.knee);
  EXPECT_EQ(results[*summary.knee].load_level, 8);
  EXPECT_EQ(results[*summary.peak].load_level, 8);  // the first with the most
  EXPECT_EQ(results[*summary.highest_within_slo].load_level, 32);
}

TEST(Sweep, the_slo_holds_up_to_the_first_load_that_misses) {
  std::vector<RunResult> results;
  for (const double attainment : {1.0, 0.995, 0.97, 1.0})
    results.push_back(at_users(1 << results.size(), 800, attainment));
  const SweepSummary summary = summarise_sweep(results, 0.99);
  EXPECT_EQ(*summary.highest_within_slo, 1U);
  EXPECT_FALSE(summarise_sweep(std::span(results).subspan(2, 1), 0.99).highest_within_slo);
}

TEST(Sweep, loads_where_nothing_succeeded_have_no_say) {
  const std::vector<RunResult> results = {make_result({}, {.ttft_ms = 1})};
  const SweepSummary summary = summarise_sweep(results, 0.99);
  EXPECT_FALSE(summary.knee);
  EXPECT_FALSE(summary.highest_within_slo);
  EXPECT_FALSE(format_sweep(results, summary, 0.99).empty());
  EXPECT_TRUE(sweep_json(results, summary, 0.99).at("knee").is_null());
}

TEST(Sweep, table_json_and_page_name_the_knee) {
  std::vector<RunResult> results;
  for (const int users : {1, 2, 4, 8, 16}) results.push_back(at_users(users, 400, 1));
  const SweepSummary summary = summarise_sweep(results, 0.99);
  EXPECT_NE(format_sweep(results, summary, 0.99).find("knee: 4 users"), std::string::npos);
  EXPECT_EQ(sweep_json(results, summary, 0.99).at("knee"), 4);
  EXPECT_EQ(sweep_json(results, summary, 0.99).at("runs").as_array().size(), 5U);
  EXPECT_NE(html_sweep(results, summary, 0.99).find("Knee: 4 users"), std::string::npos);
}

}  // namespace
}  // namespace millrace::loadgen
