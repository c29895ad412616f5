#include "engine/engine.h"

#include <algorithm>
#include <limits>

#include "engine/engine_loop.h"
#include "engine/engine_rig.h"

namespace millrace::engine {
namespace {

TEST(Engine, StreamsTheTokensOfItsModel) {
  Served served;
  const auto prompt = prompt_of(30);
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt, 20), reply));
  const auto events = read_all(*reply);
  ASSERT_EQ(events.size(), 20u);
  EXPECT_EQ(tokens_of(events), expected_tokens(*served.reference, prompt, 20));
  for (std::size_t i = 0; i + 1 < events.size(); ++i)
    EXPECT_EQ(events[i].finish, FinishReason::none);
  EXPECT_EQ(events.back().finish, FinishReason::length);
  EXPECT_EQ(events.back().usage.num_prompt_tokens, 30);
  EXPECT_EQ(events.back().usage.num_completion_tokens, 20);
  EXPECT_TRUE(reply->closed());
  EXPECT_TRUE(becomes_idle(*served.engine));
  EXPECT_EQ(violations(served), 0);
}

TEST(Engine, ATraceShowsWhereTheTimeWent) {
  Served served;
  TraceLog log;
  GenerateRequest request = request_of(prompt_of(30), 5);
  const TimePoint began = request.arrival;
  request.trace = log.begin("chat", "test", began, true);
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(std::move(request), reply));
  read_all(*reply);
  const auto spans = log.latest(1).at(0)->now().spans;
  const auto find = [&](std::string_view name) {
    const auto found = std::ranges::find(spans, name, &TraceSpan::name);
    return found == spans.end() ? TraceSpan{} : *found;
  };
  const TraceSpan queue = find("queue"), prefill = find("prefill"), decode = find("decode");
  EXPECT_LE(began, queue.start);
  EXPECT_LE(queue.start, queue.end);
  EXPECT_EQ(queue.end, prefill.start);
  EXPECT_LT(prefill.start, prefill.end);
  EXPECT_EQ(prefill.end, decode.start);
  EXPECT_LT(decode.start, decode.end);
  EXPECT_LE(decode.end, Clock::now());
  EXPECT_EQ(prefill.numbers.at(0).second, 30);
  EXPECT_EQ(decode.numbers.at(0).second, 5);
}

TEST(Engine, StopTokenEndsTheSequenceAndIsMarked) {
  Served served;
  const auto prompt = prompt_of(9);
  const auto expected = expected_tokens(*served.reference, prompt, 10);
  GenerateRequest request = request_of(prompt, 50);
  request.sampling.stop_token_ids = {expected[6]};
  const auto first = std::find(expected.begin(), expected.end(), expected[6]) - expected.begin();
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(request, reply));
  const auto events = read_all(*reply);
  ASSERT_EQ(events.size(), static_cast<std::size_t>(first) + 1);
  EXPECT_EQ(events.back().finish, FinishReason::stop);
  EXPECT_TRUE(events.back().is_stop_token);
  EXPECT_EQ(events.back().token, expected[6]);
}

TEST(Engine, RepeatedPromptHitsThePrefixCacheAndAnswersTheSame) {
  Served served;
  const auto prompt = prompt_of(32);  // whole blocks: the last one must be computed all the same
  std::vector<TokenId> answers[3];
  int cached[3] = {};
  for (int i = 0; i < 3; ++i) {
    GenerateRequest request = request_of(prompt, 8);
    if (i == 2) request.tenant = "other";
    auto reply = channel();
    ASSERT_TRUE(served.engine->submit(request, reply));
    const auto events = read_all(*reply);
    answers[i] = tokens_of(events);
    cached[i] = events.back().usage.num_cached_tokens;
  }
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(answers[0], answers[2]);
  EXPECT_EQ(cached[0], 0);
  EXPECT_EQ(cached[1], 28);
  EXPECT_EQ(cached[2], 0) << "a tenant saw another's prefix";
}

TEST(Engine, PreemptionChangesNoToken) {
  EngineConfig config = Served::fast_config();
  config.num_blocks = 40;  // 160 tokens for eight sequences that want 60 each
  Served served(config);
  std::vector<std::shared_ptr<TokenChannel>> replies;
  for (int i = 0; i < 8; ++i) {
    replies.push_back(channel());
    GenerateRequest request = request_of(prompt_of(20, i), 40);
    request.sampling.seed = static_cast<std::uint64_t>(i);
    ASSERT_TRUE(served.engine->submit(request, replies.back()));
  }
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(
        tokens_of(read_all(*replies[static_cast<std::size_t>(i)])),
        expected_tokens(*served.reference, prompt_of(20, i), 40, static_cast<std::uint64_t>(i)));
  EXPECT_GT(served.metrics
                .counter("millrace_preemptions_total", "Sequences put back to make room.",
                         {{"model_name", "test"}})
                .value(),
            0);
  EXPECT_TRUE(becomes_idle(*served.engine));
}

TEST(Engine, FullQueueRefusesAtOnceAndSaysWhen) {
  EngineConfig config = Served::fast_config();
  config.max_num_seqs = 1;
  config.max_num_queued = 4;
  SimConfig sim = Served::fast_sim();
  sim.cost.step_seconds = 0.005;
  Served served(config, sim);
  std::vector<std::shared_ptr<TokenChannel>> replies;
  int num_refused = 0;
  for (int i = 0; i < 20; ++i) {
    auto reply = channel();
    const TimePoint before = Clock::now();
    const Status submitted = served.engine->submit(request_of(prompt_of(4, i), 20), reply);
    EXPECT_LT(seconds_between(before, Clock::now()), 0.05);
    if (submitted) {
      replies.push_back(reply);
      continue;
    }
    ++num_refused;
    EXPECT_EQ(submitted.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(submitted.error().code, "queue_full");
    EXPECT_GT(submitted.error().retry_after_ms, 0);
  }
  EXPECT_GE(num_refused, 14);
  for (auto& reply : replies) EXPECT_EQ(read_all(*reply).size(), 20u);
}

TEST(Engine, DeadlinesEndWaitingAndRunningRequests) {
  EngineConfig config = Served::fast_config();
  config.max_num_seqs = 1;
  SimConfig sim = Served::fast_sim();
  sim.cost.step_seconds = 0.005;
  Served served(config, sim);
  GenerateRequest running = request_of(prompt_of(4), 200), waiting = request_of(prompt_of(4, 2), 9);
  auto first = channel(), second = channel();
  running.deadline = Clock::now() + 500ms;  // of one second of work
  ASSERT_TRUE(served.engine->submit(running, first));
  ASSERT_TRUE(first->pop_for(5s));
  waiting.deadline = Clock::now() + 100ms;
  ASSERT_TRUE(served.engine->submit(waiting, second));
  const auto waited = read_all(*second);
  ASSERT_EQ(waited.size(), 1u);
  EXPECT_EQ(waited[0].finish, FinishReason::error);
  EXPECT_EQ(waited[0].error.kind, ErrorKind::deadline_exceeded);
  const auto ran = read_all(*first);
  EXPECT_GT(ran.size(), 5u);
  EXPECT_EQ(ran.back().error.kind, ErrorKind::deadline_exceeded);
  GenerateRequest late = request_of(prompt_of(3), 2);
  late.deadline = Clock::now() - 1ms;
  EXPECT_EQ(served.engine->submit(late, channel()).error().kind, ErrorKind::deadline_exceeded);
}

TEST(Engine, RefusesWhatCannotMakeItsFirstTokenInTime) {
  EngineConfig config = Served::fast_config();
  config.max_num_seqs = 2;
  SimConfig sim = Served::fast_sim();
  sim.cost.step_seconds = 0.002;
  Served served(config, sim);
  std::vector<std::shared_ptr<TokenChannel>> replies;
  for (int i = 0; i < 60; ++i) {  // two seconds of work
    replies.push_back(channel());
    ASSERT_TRUE(served.engine->submit(request_of(prompt_of(4, i), 30), replies.back()));
  }
  std::this_thread::sleep_for(600ms);  // the start rate is known
  GenerateRequest hurried = request_of(prompt_of(4), 4);
  hurried.slo_ttft_seconds = 0.02;
  const Status refused = served.engine->submit(hurried, channel());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(refused.error().code, "deadline_unattainable");
  EXPECT_GT(refused.error().retry_after_ms, 0);
  hurried.slo_ttft_seconds = 1.0;
  hurried.arrival = Clock::now();
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(hurried, reply));
  (void)reply->pop_for(5s);
  EXPECT_LT(seconds_between(hurried.arrival, Clock::now()), 1.0)
      << "did not pass those without SLO";
}

TEST(Engine, HigherPriorityGoesFirst) {
  EngineConfig config = Served::fast_config();
  config.max_num_seqs = 2;
  SimConfig sim = Served::fast_sim();
  sim.cost.step_seconds = 0.001;
  Served served(config, sim);
  std::vector<std::shared_ptr<TokenChannel>> batch;
  for (int i = 0; i < 10; ++i) {
    GenerateRequest request = request_of(prompt_of(6, i), 200);
    request.priority = 5;
    batch.push_back(channel());
    ASSERT_TRUE(served.engine->submit(request, batch.back()));
  }
  std::this_thread::sleep_for(20ms);
  GenerateRequest urgent = request_of(prompt_of(6, 77), 5);
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(urgent, reply));
  EXPECT_EQ(read_all(*reply).size(), 5u);
  // It took the first seat that was free; the next turn of seats is 200 steps away.
  EXPECT_EQ(batch[4]->size(), 0u) << "waited for lower priorities";
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(tokens_of(read_all(*batch[static_cast<std::size_t>(i)])),
              expected_tokens(*served.reference, prompt_of(6, i), 200));
}

TEST(Engine, FloodingTenantDoesNotStarveAnother) {
  EngineConfig config = Served::fast_config();
  config.max_num_seqs = 4;
  config.max_num_queued = 100;
  SimConfig sim = Served::fast_sim();
  sim.cost.step_seconds = 0.001;
  Served served(config, sim);
  std::vector<std::shared_ptr<TokenChannel>> flood;
  const auto submit = [&](const char* tenant, int i) {
    GenerateRequest request = request_of(prompt_of(6, i), 20);
    request.tenant = tenant;
    auto reply = channel();
    const Status s = served.engine->submit(request, reply);
    return s ? reply : nullptr;
  };
  for (int i = 0; i < 200; ++i)
    if (auto reply = submit("flood", i)) flood.push_back(reply);
  EXPECT_GE(flood.size(), 100u);
  EXPECT_LT(flood.size(), 130u);
  // The queue is full, yet the other tenant gets in, and waits for one slot, not for the flood.
  for (int i = 0; i < 5; ++i) {
    const TimePoint begin = Clock::now();
    auto reply = submit("quiet", i);
    ASSERT_NE(reply, nullptr);
    ASSERT_TRUE(reply->pop_for(5s));
    EXPECT_LT(seconds_between(begin, Clock::now()), 0.1);
    reply->close();
  }
  int num_displaced = 0;
  for (auto& reply : flood) {
    const auto events = read_all(*reply);
    num_displaced += events.back().finish == FinishReason::error ? 1 : 0;
  }
  EXPECT_LE(num_displaced, 6);
}

TEST(Engine, EqualSeedsGiveEqualTokensWhateverTheBatch) {
  Served served;
  std::vector<std::shared_ptr<TokenChannel>> replies;
  for (int i = 0; i < 12; ++i) {
    replies.push_back(channel());
    GenerateRequest request = request_of(prompt_of(15), 25);
    request.sampling.seed = 42;
    ASSERT_TRUE(served.engine->submit(request, replies.back()));
  }
  for (auto& reply : replies)
    EXPECT_EQ(tokens_of(read_all(*reply)),
              expected_tokens(*served.reference, prompt_of(15), 25, 42));
}

TEST(Engine, ReportsMetricsUnderBothNames) {
  Served served;
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(16), 5), reply));
  (void)read_all(*reply);
  ASSERT_TRUE(becomes_idle(*served.engine));
  const std::string text = served.metrics.expose();
  for (const char* line :
       {"vllm:num_requests_running{engine=\"0\",model_name=\"test\"} 0",
        "vllm:generation_tokens_total{engine=\"0\",model_name=\"test\"} 5",
        "millrace_generation_tokens_total{model_name=\"test\"} 5",
        "vllm:prompt_tokens_total{engine=\"0\",model_name=\"test\"} 16",
        "vllm:time_to_first_token_seconds_count{engine=\"0\",model_name=\"test\"} 1",
        "vllm:inter_token_latency_seconds_count{engine=\"0\",model_name=\"test\"} 4",
        "vllm:request_success_total{engine=\"0\",finished_reason=\"length\",model_name=\"test\"} 1",
        "vllm:cache_config_info{block_size=\"4\""})
    EXPECT_NE(text.find(line), std::string::npos) << line;
}

}  // namespace
}  // namespace millrace::engine
