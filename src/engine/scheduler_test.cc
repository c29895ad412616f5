#include "engine/scheduler.h"

#include <chrono>
#include <cstdio>
#include <random>

#include "engine/scheduler_harness.h"

namespace millrace::engine {
namespace {

NewSequence sequence_of(int prompt_length, int max_new, int first = 1) {
  NewSequence s;
  s.prompt = prompt_of(prompt_length, first);
  s.max_new_tokens = max_new;
  return s;
}

int num_scheduled(const StepPlan& plan, SeqId id) {
  for (const ScheduledSequence& entry : plan.sequences)
    if (entry.sequence == id) return static_cast<int>(entry.new_tokens.size());
  return 0;
}

TEST(Scheduler, DecodesComeFirstAndPrefillTakesTheRest) {
  SchedulerHarness h(small_config());
  const SeqId a = h.add(sequence_of(10, 20));
  ASSERT_EQ(h.step(), "");
  EXPECT_EQ(num_scheduled(h.last, a), 10);
  const SeqId b = h.add(sequence_of(100, 20, 2));
  ASSERT_EQ(h.step(), "");
  EXPECT_EQ(h.last.sequences[0].sequence, a);
  EXPECT_EQ(h.last.num_decodes, 1);
  EXPECT_EQ(num_scheduled(h.last, b), 63);
  ASSERT_EQ(h.step(), "");
  EXPECT_EQ(num_scheduled(h.last, b), 37);
}

TEST(Scheduler, LongPromptLeavesRoomForShortOnes) {
  SchedulerHarness h(small_config());
  const SeqId big = h.add(sequence_of(150, 5));
  const SeqId small = h.add(sequence_of(8, 5, 2));
  ASSERT_EQ(h.step(), "");
  EXPECT_EQ(num_scheduled(h.last, big), 32);
  EXPECT_EQ(num_scheduled(h.last, small), 8);
}

TEST(Scheduler, WholePromptInCacheStillComputesTheLastToken) {
  SchedulerHarness h(small_config());
  h.add(sequence_of(16, 1));
  ASSERT_EQ(h.drain(), "");
  const SeqId again = h.add(sequence_of(16, 1));
  ASSERT_EQ(h.step(), "");
  EXPECT_EQ(num_scheduled(h.last, again), 4);  // a block of four: the last token is in it
  EXPECT_EQ(h.scheduler.num_prefix_hits(), 12u);
}

TEST(Scheduler, PreemptedSequenceFindsItsPrefixAgain) {
  EngineConfig config = small_config();
  config.num_blocks = 16;
  SchedulerHarness h(config);
  const SeqId low = h.add(sequence_of(30, 10, 1));
  ASSERT_EQ(h.step(), "");
  NewSequence urgent = sequence_of(24, 4, 2);
  urgent.priority = -1;
  const SeqId high = h.add(std::move(urgent));
  for (int i = 0; i < 6 && h.live(high); ++i) ASSERT_EQ(h.step(), "");
  EXPECT_EQ(h.finished, std::vector<SeqId>{high});
  EXPECT_EQ(h.scheduler.num_preemptions(), 0u) << "both fit";
  NewSequence bigger = sequence_of(40, 4, 3);
  bigger.priority = -1;
  const SeqId outranks = h.add(std::move(bigger));
  ASSERT_EQ(h.step(), "");
  EXPECT_EQ(h.scheduler.num_preemptions(), 1u);
  EXPECT_GT(num_scheduled(h.last, outranks), 0);
  const std::uint64_t hits = h.scheduler.num_prefix_hits();
  ASSERT_EQ(h.drain(), "");
  EXPECT_GT(h.scheduler.num_prefix_hits(), hits);
  EXPECT_EQ(h.tokens_out[low].size(), 10u);
}

TEST(Scheduler, VictimIsTheLowestPriorityAndLatestArrival) {
  EngineConfig config = small_config();
  config.num_blocks = 24;  // 96 tokens: three sequences of 24 fit, but cannot all grow to 44
  SchedulerHarness h(config);
  std::vector<SeqId> ids;
  for (int i = 0; i < 3; ++i) {
    NewSequence s = sequence_of(24, 20, i);
    s.arrival = i;
    s.priority = i == 0 ? 1 : 0;
    ids.push_back(h.add(std::move(s)));
  }
  while (h.scheduler.num_preemptions() == 0) ASSERT_EQ(h.step(), "");
  EXPECT_EQ(h.scheduler.sequence(ids[0]).phase, Phase::waiting);
  EXPECT_EQ(h.scheduler.sequence(ids[2]).phase, Phase::decode);
  ASSERT_EQ(h.drain(), "");
}

TEST(Scheduler, ChunksKeepTheTpotSloOfThoseThatDecode) {
  EngineConfig config = small_config();
  config.max_num_batched_tokens = 512;
  config.max_model_len = 4096;
  config.num_blocks = 2000;
  SchedulerHarness h(config, {.step_seconds = 0.004, .seconds_per_new_token = 0.0001});
  for (int i = 0; i < 40; ++i) {  // let the model learn the device
    h.add(sequence_of(20 + 10 * i, 3, i));
    ASSERT_EQ(h.drain(), "");
  }
  NewSequence stream = sequence_of(10, 200, 91);
  stream.tpot_seconds = 0.015;
  const SeqId id = h.add(std::move(stream));
  ASSERT_EQ(h.step(), "");
  h.add(sequence_of(3000, 2, 92));
  double slowest = 0;
  int num_chunks = 0, largest = 0;
  while (h.live(id)) {
    ASSERT_EQ(h.step(), "");
    slowest = std::max(slowest, h.cost_of(h.last.load));
    num_chunks += h.last.load.num_new_tokens > 1 ? 1 : 0;
    largest = std::max(largest, h.last.load.num_new_tokens);
  }
  EXPECT_LE(slowest, 0.015);
  EXPECT_GT(largest, 80) << "the SLO leaves room for about a hundred tokens";
  EXPECT_GT(num_chunks, 25);
}

// The slowest step of a stream without an SLO while a prompt of `num_tokens` comes in beside it,
// and when that prompt's first token was there.
struct BesidePrompt {
  double slowest_step = 0, seconds_to_first = 0;
};
BesidePrompt run_beside_prompt(int num_tokens) {
  EngineConfig config = small_config();
  config.max_num_batched_tokens = 512;
  config.max_model_len = 4096;
  config.num_blocks = 2000;
  SchedulerHarness h(config, {.step_seconds = 0.010, .seconds_per_new_token = 0.0002});
  for (int i = 0; i < 40; ++i) {  // let the model learn the device
    h.add(sequence_of(20 + 10 * i, 3, i));
    EXPECT_EQ(h.drain(), "");
  }
  h.add(sequence_of(10, 200, 91));
  EXPECT_EQ(h.step(), "");
  const double start = h.now;
  const SeqId prompt = h.add(sequence_of(num_tokens, 1, 92));
  BesidePrompt seen;
  while (h.live(prompt)) {
    EXPECT_EQ(h.step(), "");
    seen.slowest_step = std::max(seen.slowest_step, h.cost_of(h.last.load));
  }
  seen.seconds_to_first = h.now - start;
  EXPECT_EQ(h.drain(), "");
  return seen;
}

TEST(Scheduler, WithoutSloAShortPromptStretchesStepsByABoundedFactor) {
  EXPECT_LE(run_beside_prompt(100).slowest_step, 1.8 * 0.0102);
}

TEST(Scheduler, ABacklogOfPromptsMayTakeMostOfEachStep) {
  const BesidePrompt seen = run_beside_prompt(3000);  // 0.6 s by itself
  EXPECT_GT(seen.slowest_step, 0.025);
  EXPECT_LE(seen.slowest_step, 0.080 * 1.05);
  EXPECT_LT(seen.seconds_to_first, 0.6 * 1.9) << "at most about half of each step for the stream";
}

TEST(Scheduler, TightestSlackStartsFirst) {
  EngineConfig config = small_config();
  config.max_num_seqs = 1;
  SchedulerHarness h(config);
  const SeqId runs = h.add(sequence_of(4, 5, 0));
  ASSERT_EQ(h.step(), "");
  NewSequence relaxed = sequence_of(4, 2, 1), tight = sequence_of(4, 2, 2);
  tight.ttft_due = 1.0;
  const SeqId r = h.add(std::move(relaxed)), t = h.add(std::move(tight));
  ASSERT_EQ(h.drain(), "");
  EXPECT_EQ(h.finished, (std::vector<SeqId>{runs, t, r}));
}

TEST(Scheduler, LateRequestsStandBackForThoseThatCanStillMakeIt) {
  EngineConfig config = small_config();
  config.max_num_seqs = 1;
  SchedulerHarness h(config, {.step_seconds = 0.1});
  const SeqId runs = h.add(sequence_of(4, 5, 0));
  ASSERT_EQ(h.step(), "");
  NewSequence late = sequence_of(4, 2, 1), fresh = sequence_of(4, 2, 2);
  late.ttft_due = 0.2;
  fresh.ttft_due = 0.68;  // the late one, put back at 0.5, is due again at 0.7
  const SeqId l = h.add(std::move(late)), f = h.add(std::move(fresh));
  ASSERT_EQ(h.drain(), "");
  EXPECT_EQ(h.finished, (std::vector<SeqId>{runs, f, l}));
}

TEST(Scheduler, TenantsShareByTokens) {
  EngineConfig config = small_config();
  config.max_num_seqs = 2;
  config.num_blocks = 200;
  SchedulerHarness h(config);
  std::map<SeqId, char> owner;
  for (int i = 0; i < 60; ++i) {
    NewSequence s = sequence_of(20, 20, i);
    s.tenant = "a";
    owner[h.add(std::move(s))] = 'a';
  }
  for (int i = 0; i < 20; ++i) {
    NewSequence s = sequence_of(20, 20, i);
    s.tenant = "b";
    owner[h.add(std::move(s))] = 'b';
  }
  while (h.finished.size() < 30) ASSERT_EQ(h.step(), "");
  int of_b = 0;
  for (const SeqId id : h.finished) of_b += owner[id] == 'b' ? 1 : 0;
  EXPECT_NEAR(of_b, 15, 2);
}

TEST(Scheduler, PromptLogprobChunksStayWithinTheRowBudget) {
  EngineConfig config = small_config();
  config.max_prompt_logprob_rows = 10;
  SchedulerHarness h(config);
  NewSequence s = sequence_of(35, 2);
  s.wants_prompt_logprobs = true;
  h.add(std::move(s));
  std::vector<int> chunks;
  while (h.scheduler.num_live() > 0) {
    ASSERT_EQ(h.step(), "");
    chunks.push_back(h.last.load.num_new_tokens);
  }
  EXPECT_EQ(chunks, (std::vector<int>{10, 10, 10, 5, 1}));
}

TEST(Scheduler, ForgottenBlocksAreNotReused) {
  SchedulerHarness h(small_config());
  const SeqId bad = h.add(sequence_of(20, 5));
  ASSERT_EQ(h.step(), "");
  ASSERT_EQ(h.step(), "");
  h.remove(bad, true);
  EXPECT_EQ(h.scheduler.pool().num_cached(), 0);
  const SeqId next = h.add(sequence_of(20, 5));
  ASSERT_EQ(h.step(), "");
  EXPECT_EQ(num_scheduled(h.last, next), 20);
}

TEST(Scheduler, ExpiredAreListedInOrder) {
  SchedulerHarness h(small_config());
  NewSequence a = sequence_of(4, 5), b = sequence_of(4, 5), c = sequence_of(4, 5);
  a.deadline = 3;
  b.deadline = 2;
  const SeqId ia = h.add(std::move(a)), ib = h.add(std::move(b));
  h.add(std::move(c));
  std::vector<SeqId> expired;
  h.scheduler.collect_expired(1.9, expired);
  EXPECT_TRUE(expired.empty());
  h.scheduler.collect_expired(3.0, expired);
  EXPECT_EQ(expired, (std::vector<SeqId>{ib, ia}));
}

// The cost of scheduling itself: 1,024 sequences decode, 10,000 wait. Prints microseconds; the
// bound is loose because tests share their machine.
TEST(Scheduler, StepCostsMicrosecondsAt1024Running10000Waiting) {
  EngineConfig config;
  config.vocab_size = 1000;
  config.max_model_len = 4096;
  config.max_num_seqs = 1024;
  config.max_num_batched_tokens = 2048;
  config.max_num_queued = 10000;
  config.num_blocks = 1024 * 40;
  config.complete();
  Scheduler scheduler(config, {1, 2});
  std::mt19937 random(1);
  for (int i = 0; i < 11024; ++i) {
    NewSequence s = sequence_of(32, 2000, i);
    s.tenant = std::to_string(random() % 50);
    s.arrival = 0.0001 * i;
    if (random() % 2) s.ttft_due = 100 + 0.001 * static_cast<double>(random() % 1000);
    scheduler.add(std::move(s));
  }
  double now = 2;
  const auto step = [&] {
    const StepPlan& plan = scheduler.schedule(now += 0.01);
    for (std::size_t i = 0; i < plan.sequences.size(); ++i)
      scheduler.complete(i, plan.sequences[i].samples ? 7 : -1);
  };
  while (scheduler.num_running() < 1024) step();
  for (int i = 0; i < 20; ++i) step();
  std::vector<double> schedule_us, both_us;
  using Watch = std::chrono::steady_clock;
  const auto since = [](Watch::time_point t) {
    return std::chrono::duration<double, std::micro>(Watch::now() - t).count();
  };
  for (int i = 0; i < 300; ++i) {
    const auto begin = Watch::now();
    const StepPlan& plan = scheduler.schedule(now += 0.01);
    schedule_us.push_back(since(begin));
    ASSERT_EQ(plan.num_decodes, 1024);
    for (std::size_t e = 0; e < plan.sequences.size(); ++e) scheduler.complete(e, 7);
    both_us.push_back(since(begin));
  }
  ASSERT_EQ(scheduler.num_waiting(), 10000);
  std::sort(schedule_us.begin(), schedule_us.end());
  std::sort(both_us.begin(), both_us.end());
  std::printf("schedule: median %.1f us, p99 %.1f us; with complete: median %.1f us, p99 %.1f us\n",
              schedule_us[150], schedule_us[297], both_us[150], both_us[297]);
  EXPECT_LT(schedule_us[150], 500);
}

}  // namespace
}  // namespace millrace::engine
