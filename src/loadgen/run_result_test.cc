#include "loadgen/run_result.h"

#include <gtest/gtest.h>

#include "loadgen/sample_results.h"

namespace millrace::loadgen {
namespace {

TEST(RunResult, latencies_are_as_defined) {
  LoadLog log;
  log.window_seconds = 10;
  log.cpu_seconds = 0.001;
  // Due at 1, sent 0.5 s late, tokens at 2, 2.1, 2.4: five tokens in three pieces.
  log.records.push_back({.scheduled = 1,
                         .sent = 1.5,
                         .finished = 2.5,
                         .planned_prompt_tokens = 7,
                         .prompt_tokens = 8,
                         .output_tokens = 5,
                         .token_times = {2, 2.1, 2.4}});
  log.records.push_back({.scheduled = 3,
                         .sent = 3,
                         .finished = 3.25,
                         .failure = Failure::http_status,
                         .status = 503,
                         .error_text = "full"});
  const RunResult r = make_result(log, {.ttft_ms = 1500, .tpot_ms = 50});
  EXPECT_EQ(r.num_requests, 2);
  EXPECT_EQ(r.num_ok, 1);
  EXPECT_EQ(r.errors.at("http_503"), 1);
  EXPECT_EQ(r.first_error, "http_503: full");
  EXPECT_NEAR(r.ttft_ms.p50, 1000, 1e-9);  // from due, not from sent
  EXPECT_NEAR(r.e2e_ms.p50, 1500, 1e-9);
  EXPECT_EQ(r.itl_ms.count, 2U);
  EXPECT_NEAR(r.itl_ms.max, 300, 1e-9);
  EXPECT_NEAR(r.tpot_ms.p50, 100, 1e-9);  // 400 ms over four gaps
  EXPECT_EQ(r.num_within_slo, 0);         // TPOT is over
  EXPECT_NEAR(r.output_tokens_per_second, 0.5, 1e-9);
  EXPECT_NEAR(r.total_tokens_per_second, 1.3, 1e-9);
  EXPECT_NEAR(r.requests_per_second, 0.1, 1e-9);
  EXPECT_EQ(r.num_inexact_prompts, 1);
  EXPECT_NEAR(r.client_lag_p99_ms, 495, 1e-6);
  EXPECT_NEAR(r.client_cpu_us_per_token, 1000.0 / 3, 1e-6);
  const RunResult relaxed = make_result(log, {.ttft_ms = 1500, .tpot_ms = 100.001});
  EXPECT_EQ(relaxed.num_within_slo, 1);
  EXPECT_NEAR(relaxed.slo_attainment, 0.5, 1e-9);  // a failed request meets nothing
  EXPECT_NEAR(relaxed.goodput, 0.1, 1e-9);
}

TEST(RunResult, the_timeline_holds_all_tokens_and_who_was_running) {
  LoadLog log;
  log.window_seconds = 1;
  log.records.push_back({.sent = 0.25,
                         .finished = 0.85,
                         .output_tokens = 4,
                         .token_times = {0.31, 0.55, 0.62, 0.84}});
  const RunResult r = make_result(log, {});
  ASSERT_DOUBLE_EQ(r.timeline.bucket_seconds, 0.1);
  ASSERT_EQ(r.timeline.tokens_per_second.size(), 10U);
  double tokens = 0, running = 0;
  for (const double rate : r.timeline.tokens_per_second) tokens += rate * 0.1;
  for (const double count : r.timeline.running) running += count * 0.1;
  EXPECT_NEAR(tokens, 4, 1e-9);
  EXPECT_NEAR(running, 0.6, 1e-9);
  EXPECT_NEAR(r.timeline.tokens_per_second[3], 10, 1e-9);
  EXPECT_NEAR(r.timeline.running[2], 0.5, 1e-9);
}

TEST(RunResult, json_reads_back) {
  const RunResult before = sample_result("one", 3);
  const json::object written = to_json(before);
  const auto text = parse_json(dump_json(written));
  ASSERT_TRUE(text);
  const auto after = from_json(*text);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(dump_json(to_json(*after)), dump_json(written));
  EXPECT_EQ(after->label, "one");
  EXPECT_EQ(after->errors, before.errors);
  EXPECT_NEAR(after->ttft_ms.p99, before.ttft_ms.p99, before.ttft_ms.p99 * 1e-5);
}

TEST(RunResult, files_of_strangers_are_refused_by_field) {
  EXPECT_FALSE(from_json(json::value(3)));
  EXPECT_FALSE(from_json(json::object{{"x", 1}}));
  json::object broken = to_json(sample_result("one", 3));
  broken["millrace_bench"] = 2;
  EXPECT_FALSE(from_json(broken));
  broken = to_json(sample_result("one", 3));
  broken["ttft_ms"].as_object()["p99"] = "fast";
  const auto result = from_json(broken);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("ttft_ms.p99"), std::string::npos);
  broken = to_json(sample_result("one", 3));
  broken["ttft_ms"].as_object()["count"] = -4;
  EXPECT_FALSE(from_json(broken));
}

}  // namespace
}  // namespace millrace::loadgen
