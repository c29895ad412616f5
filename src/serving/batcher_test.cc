#include "serving/batcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

#include "serving/fake_tensor_model.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;

class BatcherTest : public testing::Test {
 protected:
  using Answer = Result<std::vector<float>>;

  void make(int max_rows, int max_queued = 64) {
    description = fake_tensor_description(max_rows);
    batcher =
        std::make_unique<Batcher>(model, description, stats,
                                  BatcherOptions{.limits = {.max_rows = max_rows},
                                                 .settings = {.queue = {.max_size = max_queued}}});
  }
  void make_with(BatchSettings settings) {
    description = fake_tensor_description(8);
    batcher = std::make_unique<Batcher>(
        model, description, stats,
        BatcherOptions{.limits = {.max_rows = 8,
                                  .preferred_rows = settings.preferred_sizes,
                                  .fixed_delay = settings.max_delay},
                       .settings = settings});
  }
  BatchRequest request(std::vector<float> values) {
    auto owned = std::make_shared<const std::vector<float>>(std::move(values));
    BatchRequest r;
    r.num_rows = static_cast<std::int64_t>(owned->size() / 2);
    r.inputs = {{.shape = Shape{r.num_rows, 2}, .parts = {std::as_bytes(std::span(*owned))}}};
    r.owner = owned;
    return r;
  }
  std::future<Answer> submit(BatchRequest r) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    r.reply = [promise](Result<TensorAnswer> answer) {
      if (!answer) return promise->set_value(std::unexpected(answer.error()));
      const auto data = answer->outputs.at(0).data;
      std::vector<float> values(data.size() / sizeof(float));
      std::memcpy(values.data(), data.data(), data.size());
      promise->set_value(std::move(values));
    };
    batcher->submit(std::move(r));
    return future;
  }
  std::future<Answer> submit(std::vector<float> values) {
    return submit(request(std::move(values)));
  }
  static Answer get(std::future<Answer>& future) {
    if (future.wait_for(10s) != std::future_status::ready) return invalid("no answer");
    return future.get();
  }
  bool queued(std::size_t count) {
    for (int i = 0; i < 2000 && batcher->num_queued() != count; ++i)
      std::this_thread::sleep_for(1ms);
    return batcher->num_queued() == count;
  }

  Metrics metrics;
  TensorStats stats{metrics, "double"};
  FakeTensorModel model;
  ModelDescription description;
  std::unique_ptr<Batcher> batcher;  // last: goes first
};

TEST_F(BatcherTest, AFreeDeviceIsUsedAtOnceOnTheCallersThread) {
  make(8);
  auto answer = submit({1, 2});
  ASSERT_EQ(answer.wait_for(0s), std::future_status::ready) << "no hop";
  EXPECT_EQ(get(answer), (std::vector<float>{2, 4}));
}

TEST_F(BatcherTest, WhatWaitsIsMergedAndTakenApart) {
  model.automatic = false;
  make(8);
  auto first = submit({1, 1});
  auto second = submit({2, 2, 3, 3});
  auto third = submit({4, 4});
  auto fourth = submit({5, 5, 6, 6, 7, 7});
  EXPECT_EQ(model.runs().size(), 1u);
  model.finish_one();
  ASSERT_TRUE(model.wait_for_runs(2));
  model.finish_one();
  EXPECT_EQ(get(first), (std::vector<float>{2, 2}));
  EXPECT_EQ(get(second), (std::vector<float>{4, 4, 6, 6}));
  EXPECT_EQ(get(third), (std::vector<float>{8, 8}));
  EXPECT_EQ(get(fourth), (std::vector<float>{10, 10, 12, 12, 14, 14}));
  EXPECT_EQ(model.runs()[1].rows, 6);
  EXPECT_EQ(model.runs()[1].num_parts, 3u) << "views of three requests, no copy";
  const TensorStatistics sums = stats.now();
  EXPECT_EQ(sums.inference_count, 7u);
  EXPECT_EQ(sums.execution_count, 2u);
  EXPECT_EQ(sums.success.count, 4u);
  EXPECT_EQ(sums.batches.at(6).infer.count, 1u);
}

TEST_F(BatcherTest, AScrapeShowsWhatWaitsAndWhatRuns) {
  model.automatic = false;
  make(8);
  const auto shown = [&](const char* name) { return metrics.samples(name).at(0).value; };
  std::vector<std::future<Answer>> answers;
  for (float i = 0; i < 4; ++i) answers.push_back(submit({i, i}));
  EXPECT_EQ(shown("millrace_inferences_pending"), 3);
  EXPECT_EQ(shown("nv_inference_pending_request_count"), 3);
  EXPECT_EQ(shown("millrace_inferences_running"), 1);
  model.finish_one();
  ASSERT_TRUE(model.wait_for_runs(2));
  EXPECT_EQ(shown("millrace_inferences_pending"), 0);
  EXPECT_EQ(shown("millrace_inferences_running"), 3) << "merged";
  model.finish_one();
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
  EXPECT_EQ(shown("millrace_inferences_running"), 0);
  batcher.reset();
  EXPECT_EQ(shown("millrace_inferences_pending"), 0) << "as other series of models that are gone";
}

TEST_F(BatcherTest, ABatchIsNeverLargerThanAllowed) {
  model.automatic = false;
  make(4);
  std::vector<std::future<Answer>> answers;
  answers.push_back(submit({0, 0}));
  for (float i = 1; i <= 5; ++i) answers.push_back(submit({i, i, i, i}));
  answers.push_back(submit(std::vector<float>(2 * 9, 7)));  // larger than any batch: runs alone
  for (std::size_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(model.wait_for_runs(i + 1));
    model.finish_one();
  }
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
  const auto runs = model.runs();
  ASSERT_EQ(runs.size(), 5u);
  EXPECT_EQ(runs[1].rows, 4);
  EXPECT_EQ(runs[2].rows, 4);
  EXPECT_EQ(runs[3].rows, 2);
  EXPECT_EQ(runs[4].rows, 9);
}

TEST_F(BatcherTest, PriorityGoesFirst) {
  model.automatic = false;
  make(1);
  std::vector<std::future<Answer>> answers;
  // One more than the device runs lies ready in the runtime.
  for (float i = 0; i < 2; ++i) answers.push_back(submit({i, i}));
  for (const int priority : {100, 100, 1, 50}) {
    BatchRequest r = request({float(priority), 0});
    r.priority = priority;
    answers.push_back(submit(std::move(r)));
  }
  for (std::size_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(model.wait_for_runs(i + 1));
    model.finish_one();
  }
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
  std::vector<float> order;
  for (const auto& run : model.runs()) order.push_back(run.values[0]);
  EXPECT_EQ(order, (std::vector<float>{0, 1, 1, 50, 100, 100}));
}

TEST_F(BatcherTest, OtherShapesAreNotMerged) {
  model.automatic = false;
  make(8);
  auto first = submit({1, 1});
  BatchRequest odd = request({1, 2, 3, 4});
  odd.num_rows = 1;
  odd.inputs[0].shape = Shape{1, 4};
  auto second = submit(std::move(odd));
  auto third = submit({2, 2});
  model.finish_one();
  ASSERT_TRUE(model.wait_for_runs(2));
  model.finish_one();
  ASSERT_TRUE(model.wait_for_runs(3));
  model.finish_one();
  EXPECT_TRUE(get(first));
  EXPECT_TRUE(get(second));
  EXPECT_TRUE(get(third));
}

TEST_F(BatcherTest, AFullRoomRefusesAtOnce) {
  model.automatic = false;
  make(8, 2);
  auto first = submit({1, 1});
  auto second = submit({2, 2});
  auto third = submit({3, 3});
  auto fourth = submit({4, 4});
  ASSERT_EQ(fourth.wait_for(0s), std::future_status::ready);
  const Answer refused = get(fourth);
  EXPECT_EQ(refused.error().code, "overloaded");
  EXPECT_GT(refused.error().retry_after_ms, 0);
  model.finish_one();
  ASSERT_TRUE(model.wait_for_runs(2));
  model.finish_one();
  EXPECT_TRUE(get(second));
  EXPECT_TRUE(get(third));
}

TEST_F(BatcherTest, ALateRequestLeavesTheQueueByItself) {
  model.automatic = false;
  make(8);
  auto first = submit({1, 1});
  BatchRequest r = request({2, 2});
  r.deadline = Clock::now() + 20ms;
  auto late = submit(std::move(r));
  EXPECT_EQ(get(late).error().kind, ErrorKind::deadline_exceeded);
  BatchRequest gone = request({3, 3});
  gone.deadline = Clock::now() - 1ms;
  auto refused = submit(std::move(gone));
  EXPECT_EQ(get(refused).error().kind, ErrorKind::deadline_exceeded);
  model.finish_one();
  EXPECT_TRUE(get(first));
  EXPECT_EQ(model.runs().size(), 1u);
  EXPECT_EQ(stats.now().fail.count, 2u);
}

// The batcher's thread sleeps until the later one when the sooner one comes.
TEST_F(BatcherTest, ASoonerDeadlineIsKeptBehindALaterOne) {
  model.automatic = false;
  make(8);
  auto first = submit({1, 1});
  BatchRequest patient = request({2, 2}), hurried = request({3, 3});
  patient.deadline = Clock::now() + 60s;
  auto later = submit(std::move(patient));
  std::this_thread::sleep_for(5ms);
  hurried.deadline = Clock::now() + 20ms;
  auto sooner = submit(std::move(hurried));
  EXPECT_EQ(get(sooner).error().kind, ErrorKind::deadline_exceeded);
  model.finish_one();
  ASSERT_TRUE(model.wait_for_runs(2));
  model.finish_one();
  EXPECT_TRUE(get(first));
  EXPECT_TRUE(get(later));
}

TEST_F(BatcherTest, ACancelledRequestLeavesTheQueueByItself) {
  model.automatic = false;
  make(8);
  auto first = submit({1, 1});
  std::stop_source stop;
  BatchRequest r = request({2, 2});
  r.stop = stop.get_token();
  auto cancelled = submit(std::move(r));
  auto third = submit({3, 3});
  stop.request_stop();
  EXPECT_EQ(get(cancelled).error().kind, ErrorKind::cancelled);
  model.finish_one();
  ASSERT_TRUE(model.wait_for_runs(2));
  model.finish_one();
  EXPECT_EQ(get(third), (std::vector<float>{6, 6}));
  EXPECT_EQ(model.runs()[1].rows, 1);
}

TEST_F(BatcherTest, AStopReachesARequestThatRunsAlone) {
  model.automatic = false;
  make(8);
  std::stop_source stop;
  BatchRequest r = request({2, 2});
  r.stop = stop.get_token();
  auto answer = submit(std::move(r));
  stop.request_stop();
  EXPECT_TRUE(model.runs()[0].stop.stop_requested());
  model.finish_one();
  EXPECT_TRUE(get(answer)) << "the model did not look; its answer stands";
}

TEST_F(BatcherTest, OneBadRequestDoesNotFailItsCompany) {
  model.automatic = false;
  model.poison = 13;
  make(8);
  auto first = submit({1, 1});
  auto second = submit({2, 2});
  auto bad = submit({13, 0});
  auto third = submit({3, 3});
  model.finish_one();
  for (std::size_t run = 2; run <= 5; ++run) {  // together, then each alone
    ASSERT_TRUE(model.wait_for_runs(run));
    model.finish_one();
  }
  EXPECT_TRUE(get(first));
  EXPECT_EQ(get(second), (std::vector<float>{4, 4}));
  EXPECT_EQ(get(bad).error().message, "poisoned");
  EXPECT_EQ(get(third), (std::vector<float>{6, 6}));
}

TEST_F(BatcherTest, UnloadingTurnsAwayWhatWaits) {
  model.automatic = false;
  make(8);
  auto first = submit({1, 1});
  auto second = submit({2, 2});
  std::thread unload([&] { batcher.reset(); });
  EXPECT_EQ(get(second).error().kind, ErrorKind::unavailable);
  model.finish_one();
  unload.join();
  EXPECT_TRUE(get(first));
}

TEST_F(BatcherTest, ManyThreadsGetTheirOwnAnswers) {
  make(16, 1000);
  std::vector<std::thread> clients;
  std::atomic<int> wrong = 0;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 200; ++i) {
        const auto value = static_cast<float>(c * 1000 + i);
        BatchRequest r = request({value, -value});
        std::stop_source stop;
        r.stop = stop.get_token();
        r.priority = i % 3;
        auto answer = submit(std::move(r));
        const bool cancels = i % 7 == 0;
        if (cancels) stop.request_stop();
        const Answer got = get(answer);
        const bool right = got && *got == std::vector<float>{2 * value, -2 * value};
        if (!right && !(cancels && !got && got.error().kind == ErrorKind::cancelled)) ++wrong;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(batcher->num_queued(), 0u);
}

TEST_F(BatcherTest, PreferredSizesAreCutOutOfWhatWaits) {
  model.automatic = false;
  make_with({.preferred_sizes = {2, 4}, .queue = {.max_size = 64}});
  std::vector<std::future<Answer>> answers;
  answers.push_back(submit({9, 9, 9, 9}));  // of a preferred size: it does not wait
  ASSERT_TRUE(model.wait_for_runs(1));
  for (int i = 0; i < 7; ++i) answers.push_back(submit({1, 1}));
  ASSERT_TRUE(queued(7));
  for (std::size_t runs = 2; runs <= 4; ++runs) {
    model.finish_one();
    ASSERT_TRUE(model.wait_for_runs(runs));
  }
  model.finish_one();
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
  const auto runs = model.runs();
  EXPECT_EQ(runs[1].rows, 4);
  EXPECT_EQ(runs[2].rows, 2);
  EXPECT_EQ(runs[3].rows, 1);
}

TEST_F(BatcherTest, AFixedDelayGathersCompany) {
  make_with({.max_delay = 200ms, .queue = {.max_size = 64}});
  const TimePoint began = Clock::now();
  auto first = submit({1, 1});
  auto second = submit({2, 2});
  EXPECT_EQ(model.runs().size(), 0u) << "the device is free, but they wait";
  EXPECT_TRUE(get(first));
  EXPECT_TRUE(get(second));
  EXPECT_GE(Clock::now() - began, 200ms);
  EXPECT_EQ(model.runs().size(), 1u);
}

TEST_F(BatcherTest, ALevelHasAQueueOfItsOwn) {
  model.automatic = false;
  make_with({.queue = {.max_size = 64}, .queue_of = {{2, {.max_size = 1}}}});
  auto running = submit({1, 1});
  ASSERT_TRUE(model.wait_for_runs(1));
  const auto at_level = [&](int level) {
    auto r = request({2, 2});
    r.priority = level;
    return submit(std::move(r));
  };
  auto waits = at_level(2), refused = at_level(2), other = at_level(1);
  const auto answer = get(refused);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "overloaded");
  model.finish_one();
  model.finish_one();
  EXPECT_TRUE(get(waits));
  EXPECT_TRUE(get(other));
  EXPECT_TRUE(get(running));
}

TEST_F(BatcherTest, WhoIsLateMayWaitBehindAllOthers) {
  model.automatic = false;
  make(1);
  model.concurrency = 1;
  auto r = request({1, 1});
  auto running = submit({9, 9}), also_running = submit({9, 9});
  ASSERT_TRUE(model.wait_for_runs(1));
  r.priority = 1;
  r.demote_at = Clock::now() + 20ms;
  auto late = submit(std::move(r));
  std::this_thread::sleep_for(60ms);
  r = request({2, 2});
  r.priority = 200;
  auto other = submit(std::move(r));
  ASSERT_TRUE(queued(model.runs().size() == 2 ? 2 : 3));
  for (int i = 0; i < 4; ++i) model.finish_one();
  EXPECT_EQ(get(late), (std::vector<float>{2, 2})) << "late, but answered";
  EXPECT_TRUE(get(other));
  const auto runs = model.runs();
  ASSERT_EQ(runs.size(), 4u);
  EXPECT_EQ(runs[2].values[0], 2);
  EXPECT_EQ(runs[3].values[0], 1);
}

TEST_F(BatcherTest, WhoeverIsAloneHasTheWholeDeviceAndOthersRunSideBySide) {
  model.automatic = false;
  model.company = 2;
  make(8);
  std::vector<std::future<Answer>> answers;
  for (float i = 0; i < 5; ++i) answers.push_back(submit({i, i}));
  ASSERT_TRUE(model.wait_for_runs(3)) << "two, and one that lies ready";
  EXPECT_TRUE(queued(2));
  for (std::size_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(model.wait_for_runs(i + 1));
    model.finish_one();
  }
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
  const auto runs = model.runs();
  ASSERT_EQ(runs.size(), 5u);
  EXPECT_FALSE(runs[0].in_company);
  for (std::size_t i = 1; i < 5; ++i) {
    EXPECT_TRUE(runs[i].in_company);
    EXPECT_EQ(runs[i].rows, 1);
  }
  auto last = submit({9, 9});
  ASSERT_TRUE(model.wait_for_runs(6));
  EXPECT_FALSE(model.runs()[5].in_company) << "alone again";
  model.finish_one();
  EXPECT_TRUE(get(last));
}

// Before the runtime's thread that ended one goes on.
TEST_F(BatcherTest, BesideOthersTheNextStartsWhereOneHasEnded) {
  model.automatic = false;
  model.company = 2;
  make(8);
  std::vector<std::future<Answer>> answers;
  for (float i = 0; i < 5; ++i) answers.push_back(submit({i, i}));
  ASSERT_TRUE(model.wait_for_runs(3));
  EXPECT_TRUE(queued(2));
  model.finish_one();
  EXPECT_EQ(model.runs().size(), 4u);
  for (int i = 0; i < 4; ++i) model.finish_one();
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
}

TEST_F(BatcherTest, BesideOthersExecutionsThatAreOverAtOnceDoNotNest) {
  model.automatic = false;
  model.company = 2;
  make(8, 4096);
  std::vector<std::future<Answer>> answers;
  for (float i = 0; i < 1000; ++i) answers.push_back(submit({i, i}));
  ASSERT_TRUE(model.wait_for_runs(3));
  model.automatic = true;
  for (int i = 0; i < 3; ++i) model.finish_one();
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
}

TEST_F(BatcherTest, AfterSomeSideBySideMergingIsTried) {
  model.automatic = false;
  model.company = 2;
  make(8);
  std::vector<std::future<Answer>> answers;
  for (float i = 0; i < 40; ++i) answers.push_back(submit({i, i}));
  std::size_t num_runs = 0;
  for (std::size_t rows = 0; rows < 40;) {
    ASSERT_TRUE(model.wait_for_runs(num_runs + 1));
    rows += static_cast<std::size_t>(model.runs()[num_runs++].rows);
    model.finish_one();
  }
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
  std::int64_t most = 0;
  for (const auto& run : model.runs()) most = std::max(most, run.rows);
  EXPECT_GT(most, 1);
}

TEST_F(BatcherTest, WhoeverAsksForSizesGetsThem) {
  model.automatic = false;
  model.company = 2;
  make_with({.preferred_sizes = {4}, .queue = {.max_size = 64}});
  std::vector<std::future<Answer>> answers;
  for (float i = 0; i < 5; ++i) answers.push_back(submit({i, i}));
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(model.wait_for_runs(i + 1));
    model.finish_one();
  }
  for (auto& answer : answers) EXPECT_TRUE(get(answer));
  EXPECT_EQ(model.runs()[1].rows, 4);
}

}  // namespace
}  // namespace millrace::serving
