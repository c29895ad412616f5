#include "loadgen/load_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "loadgen/canned_server.h"
#include "loadgen/run_result.h"

namespace millrace::loadgen {
namespace {

Workload ids_workload() {
  return {{.model = "m", .prompt = LengthDistribution::fixed(4), .token_id_limit = 32000},
          std::nullopt};
}

Result<LoadLog> run(const CannedServer& server, const LoadShape& shape,
                    const std::atomic<bool>* stop = nullptr) {
  const Target target{.host = "127.0.0.1", .port = server.port()};
  const auto peer = find_peer(target.host, target.port, 5s);
  EXPECT_TRUE(peer);
  return run_load(target, *peer, ids_workload(), shape, {.stop = stop});
}

std::map<std::string, int> failures(const LoadLog& log) {
  std::map<std::string, int> counts;
  for (const RequestRecord& record : log.records) ++counts[failure_name(record)];
  return counts;
}

TEST(LoadRun, closed_loop_sends_what_was_asked_on_kept_connections) {
  CannedServer server([](int) { return std::vector{say(whole_stream(5))}; });
  const auto log = run(server, {.users = 4, .max_requests = 40, .warmup_requests = 3});
  ASSERT_TRUE(log);
  EXPECT_EQ(log->records.size(), 40U);
  EXPECT_EQ(server.num_requests(), 43);
  EXPECT_LE(server.num_connections(), 5);  // and one that found the peer
  std::vector<std::uint64_t> indices;
  for (const RequestRecord& record : log->records) {
    EXPECT_TRUE(record.ok()) << record.error_text;
    EXPECT_EQ(record.output_tokens, 5);
    EXPECT_EQ(record.prompt_tokens, 4);
    EXPECT_LE(record.scheduled, record.token_times.front());
    EXPECT_LE(record.token_times.back(), record.finished);
    indices.push_back(record.index);
  }
  std::ranges::sort(indices);
  EXPECT_EQ(std::unique(indices.begin(), indices.end()), indices.end());
}

TEST(LoadRun, errors_are_told_apart) {
  const std::vector<std::vector<Act>> acts = {
      {say(whole_stream(2))},
      {say(plain_answer("503 Service Unavailable", R"({"error":{"message":"full"}})"))},
      {{.kind = Act::reset}},
      {say(kStreamHead + chunk(text_event())), {.kind = Act::reset}},
      {say(kStreamHead + chunk(text_event())), {.kind = Act::close}},
      {say(kStreamHead + chunk(text_event()) + "0\r\n\r\n")},
      {say("SMTP ready\r\n\r\n"), {.kind = Act::close}},
      {say(kStreamHead + chunk(text_event() + event(R"({"error":{"message":"lost"}})")))},
      {say(kStreamHead + chunk(event("{oops")))},
      {pause_for(1500ms), {.kind = Act::close}},
  };
  // One user: requests come in order. A request reset on a kept connection before any byte is sent
  // once more, on a new one: number 2 follows one that kept its connection, so it is repeated.
  CannedServer server([&](int n) { return acts[static_cast<std::size_t>(n > 2 ? n - 1 : n)]; });
  const auto log = run(server, {.users = 1, .max_requests = 10, .timeout_seconds = 0.5});
  ASSERT_TRUE(log);
  const std::map<std::string, int> expected = {
      {"none", 1},      {"http_503", 1},    {"disconnected", 3}, {"truncated", 1},
      {"malformed", 2}, {"error_event", 1}, {"timeout", 1}};
  EXPECT_EQ(failures(*log), expected);
  EXPECT_EQ(server.num_requests(), 11);
  const RunResult result = make_result(*log, {});
  EXPECT_EQ(result.num_ok, 1);
  EXPECT_EQ(result.errors.at("http_503"), 1);
  EXPECT_NE(result.first_error.find("full"), std::string::npos);
}

TEST(LoadRun, nobody_listening_is_a_failure_of_each_request) {
  std::uint16_t port = 0;
  PeerAddress peer;
  {
    CannedServer server([](int) { return std::vector<Act>{}; });
    port = server.port();
    peer = *find_peer("127.0.0.1", port, 5s);
  }
  const Target target{.host = "127.0.0.1", .port = port};
  const Workload workload = ids_workload();
  const auto log = run_load(target, peer, workload, {.users = 2, .max_requests = 4}, {});
  ASSERT_TRUE(log);
  EXPECT_EQ(failures(*log), (std::map<std::string, int>{{"connect", 4}}));
  const auto warm =
      run_load(target, peer, workload, {.users = 2, .max_requests = 4, .warmup_requests = 1}, {});
  ASSERT_FALSE(warm);
  EXPECT_NE(warm.error().message.find("warm-up"), std::string::npos);
}

// The server answers at once but for one stall of 600 ms that everyone feels. A closed loop of one
// user sees a single slow request; by open-loop accounting every request that was due meanwhile
// waited, from its due time.
TEST(LoadRun, a_stall_is_charged_to_all_who_were_due) {
  std::mutex one_at_a_time;
  std::atomic<bool> stalled{false};
  const auto script = [&](int n) {
    std::lock_guard lock(one_at_a_time);
    if (n >= 20 && !stalled.exchange(true)) std::this_thread::sleep_for(600ms);
    return std::vector{say(whole_stream(1))};
  };
  {
    CannedServer server(script);
    const auto log = run(server, {.rate = 100, .burstiness = 1, .max_requests = 150});
    ASSERT_TRUE(log);
    ASSERT_EQ(log->records.size(), 150U);
    const auto slow = std::ranges::count_if(log->records, [](const RequestRecord& r) {
      return r.token_times.front() - r.scheduled > 0.1;
    });
    EXPECT_GE(slow, 30);  // about 50 were due in the 0.5 s that were still to wait for over 0.1 s
    const RunResult result = make_result(*log, {.ttft_ms = 100});
    EXPECT_GT(result.ttft_ms.p90, 250);
    EXPECT_LT(result.slo_attainment, 0.85);
  }
  stalled = false;
  CannedServer server(script);
  const auto log = run(server, {.users = 1, .max_requests = 150});
  ASSERT_TRUE(log);
  const auto slow = std::ranges::count_if(log->records, [](const RequestRecord& r) {
    return r.token_times.front() - r.scheduled > 0.1;
  });
  EXPECT_LE(slow, 5);
}

TEST(LoadRun, open_loop_keeps_its_schedule) {
  CannedServer server([](int) { return std::vector{say(whole_stream(1))}; });
  const auto log = run(server, {.rate = 100, .duration_seconds = 1, .warmup_requests = 2});
  ASSERT_TRUE(log);
  EXPECT_EQ(log->window_seconds, 1);
  EXPECT_GE(log->records.size(), 65U);
  EXPECT_LE(log->records.size(), 135U);
  for (const RequestRecord& record : log->records) {
    EXPECT_GE(record.sent, record.scheduled);
    EXPECT_LT(record.scheduled, 1);
  }
}

TEST(LoadRun, a_duration_ends_the_sending_not_the_answers) {
  CannedServer server([](int) {
    return std::vector{say(kStreamHead + chunk(text_event())), pause_for(300ms),
                       say(chunk(text_event() + event("[DONE]")) + "0\r\n\r\n")};
  });
  const auto log = run(server, {.users = 2, .duration_seconds = 0.45});
  ASSERT_TRUE(log);
  EXPECT_EQ(failures(*log), (std::map<std::string, int>{{"none", 4}}));
  const RunResult result = make_result(*log, {});
  EXPECT_EQ(result.seconds, 0.45);
  EXPECT_NEAR(result.output_tokens_per_second, 6 / 0.45, 1e-6);  // the last two came later
  EXPECT_NEAR(result.requests_per_second, 2 / 0.45, 1e-6);
}

// 32 streams, a packet a token, about 32,000 tokens/s: what the client costs. Printed, not judged:
// machines differ.
TEST(LoadRun, tokens_are_cheap) {
  CannedServer server([](int) {
    std::vector<Act> acts = {say(kStreamHead)};
    for (int i = 0; i < 300; ++i) {
      acts.push_back(say(chunk(event(
          R"({"id":"cmpl-0123456789abcdef","object":"text_completion","created":1700000000,"model":)"
          R"("some-model","choices":[{"index":0,"text":" word","logprobs":null,"finish_reason":null}]})"))));
      acts.push_back(pause_for(1ms));
    }
    acts.push_back(say(chunk(event("[DONE]")) + "0\r\n\r\n"));
    return acts;
  });
  const auto log = run(server, {.users = 32, .max_requests = 64});
  ASSERT_TRUE(log);
  const RunResult result = make_result(*log, {});
  EXPECT_EQ(result.output_tokens, 64 * 300);
  EXPECT_GT(log->cpu_seconds, 0);
  std::printf("%.0f tokens/s at %.2f us of CPU a token: %.0f tokens/s on one core\n",
              result.output_tokens_per_second, result.client_cpu_us_per_token,
              1e6 / result.client_cpu_us_per_token);
}

TEST(LoadRun, stops_when_told) {
  CannedServer server([](int) { return std::vector{pause_for(20'000ms)}; });
  std::atomic<bool> stop{true};
  const auto log = run(server, {.users = 2, .max_requests = 100}, &stop);
  ASSERT_TRUE(log);
  EXPECT_TRUE(log->interrupted);
}

TEST(LoadRun, a_post_carries_key_and_prefix) {
  const Target target{.host = "h", .port = 1, .prefix = "/p"};
  const std::string post = format_post(target, "/v1/completions", "k", "{}");
  EXPECT_TRUE(post.starts_with("POST /p/v1/completions HTTP/1.1\r\nHost: h:1\r\n"));
  EXPECT_NE(post.find("Authorization: Bearer k\r\n"), std::string::npos);
  EXPECT_TRUE(post.ends_with("Content-Length: 2\r\n\r\n{}"));
}

}  // namespace
}  // namespace millrace::loadgen
