// Cancelled, slow, stalled, failing and unloaded: how requests leave, and that nothing stays
// behind.
#include <random>

#include "engine/engine_rig.h"
#include "engine/live_request.h"

namespace millrace::engine {
namespace {

TEST(Engine, CancelStormLeavesNoBlockBehind) {
  Served served;
  ASSERT_TRUE(becomes_idle(*served.engine));
  std::mt19937 random(1);
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t)
    readers.emplace_back([&served, seed = random()] {
      std::mt19937 own(seed);
      for (int i = 0; i < 250; ++i) {
        auto reply = channel(own() % 3 == 0 ? 4 : 256);
        const auto length = static_cast<int>(1 + own() % 120);
        if (!served.engine->submit(request_of(prompt_of(length, static_cast<int>(own() % 5)), 100),
                                   reply))
          continue;
        std::this_thread::sleep_for(std::chrono::microseconds(own() % 4000));
        for (auto reads = own() % 3; reads > 0; --reads) (void)reply->try_pop();
        reply->close();
      }
    });
  for (std::thread& t : readers) t.join();
  EXPECT_TRUE(becomes_idle(*served.engine));
  // The engine still works, and found its books in order each time it was idle.
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(5), 3), reply));
  EXPECT_EQ(read_all(*reply).size(), 3u);
  EXPECT_TRUE(becomes_idle(*served.engine));
  EXPECT_EQ(violations(served), 0);
}

TEST(Engine, CancelledWhileWaitingIsForgottenAtOnce) {
  EngineConfig config = Served::fast_config();
  config.max_num_seqs = 1;
  SimConfig sim = Served::fast_sim();
  sim.cost.step_seconds = 0.002;
  Served served(config, sim);
  auto running = channel(), waiting = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(4), 200), running));
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(4, 2), 200), waiting));
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(served.engine->stats().num_waiting, 1);
  waiting->close();
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(served.engine->stats().num_waiting, 0);
  EXPECT_EQ(served.engine->stats().num_running, 1);
  EXPECT_FALSE(waiting->try_pop().has_value());
}

TEST(Engine, SlowReaderLeavesTheBatchAndComesBack) {
  Served served;
  const auto prompt = prompt_of(10);
  auto slow = channel(2);
  ASSERT_TRUE(served.engine->submit(request_of(prompt, 30), slow));
  std::this_thread::sleep_for(30ms);
  const std::uint64_t steps = served.engine->stats().num_steps;
  std::this_thread::sleep_for(30ms);
  EXPECT_EQ(served.engine->stats().num_steps, steps) << "steps go on though nobody reads";
  EXPECT_EQ(served.engine->stats().num_running, 1);
  auto other = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(7, 3), 12), other));
  EXPECT_EQ(read_all(*other).size(), 12u);
  EXPECT_EQ(tokens_of(read_all(*slow)), expected_tokens(*served.reference, prompt, 30));
  EXPECT_TRUE(becomes_idle(*served.engine));
}

TEST(Engine, ReaderThatNeverReadsIsDropped) {
  EngineConfig config = Served::fast_config();
  config.stall_abort_seconds = 0.1;
  Served served(config);
  auto stalled = channel(2);
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(10), 30), stalled));
  auto ended = channel(1);  // all but its last event fits
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(10, 2), 2), ended));
  std::this_thread::sleep_for(400ms);
  EXPECT_TRUE(stalled->closed());
  EXPECT_TRUE(ended->closed());
  EXPECT_TRUE(becomes_idle(*served.engine));
}

TEST(Engine, StalledReadersDoNotHoldTheMemory) {
  EngineConfig config = Served::fast_config();
  config.num_blocks = 20;
  Served served(config);
  auto stalled = channel(1);
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(40), 30), stalled));
  std::this_thread::sleep_for(20ms);
  auto other = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(40, 2), 30), other));
  EXPECT_EQ(read_all(*other, 2s).size(), 30u);
  EXPECT_EQ(tokens_of(read_all(*stalled)), expected_tokens(*served.reference, prompt_of(40), 30));
}

TEST(Engine, FailingSequenceFailsAlone) {
  Served served;
  auto prompt = prompt_of(40);
  auto good = channel(), bad = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt, 40), good));
  prompt[38] = served.sim.poison_token;
  ASSERT_TRUE(served.engine->submit(request_of(prompt, 40), bad));
  const auto events = read_all(*bad);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].error.kind, ErrorKind::internal);
  EXPECT_EQ(tokens_of(read_all(*good)), expected_tokens(*served.reference, prompt_of(40), 40));
  EXPECT_TRUE(becomes_idle(*served.engine));
  EXPECT_EQ(violations(served), 0);
}

TEST(Engine, FailingStepFailsItsBatchAndTheEngineGoesOn) {
  Served served;
  auto bad = channel(), next = channel();
  ASSERT_TRUE(served.engine->submit(request_of({5, served.sim.crash_token, 7}, 10), bad));
  const auto events = read_all(*bad);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].error.kind, ErrorKind::internal);
  EXPECT_EQ(events[0].error.message.find("simulated"), std::string::npos) << "a detail leaked";
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(12), 10), next));
  EXPECT_EQ(tokens_of(read_all(*next)), expected_tokens(*served.reference, prompt_of(12), 10));
}

TEST(Engine, RefusesWhatCouldNeverRun) {
  EngineConfig config = Served::fast_config();
  config.num_blocks = 50;
  Served served(config);
  const auto refusal = [&](GenerateRequest request) {
    const Status s = served.engine->submit(std::move(request), channel());
    return s ? Error{.code = "accepted"} : s.error();
  };
  EXPECT_EQ(refusal(request_of({}, 5)).param, "prompt");
  EXPECT_EQ(refusal(request_of({1, -1}, 5)).kind, ErrorKind::invalid_argument);
  EXPECT_EQ(refusal(request_of({1, 1000}, 5)).kind, ErrorKind::invalid_argument);
  EXPECT_EQ(refusal(request_of({1}, 0)).param, "max_tokens");
  EXPECT_EQ(refusal(request_of(prompt_of(100), 157)).code, "context_length_exceeded");
  EXPECT_EQ(refusal(request_of(prompt_of(100), 101)).code, "request_too_large");
  GenerateRequest odd = request_of(prompt_of(4), 4);
  odd.sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(refusal(odd).param, "temperature");
  auto reply = channel();
  ASSERT_TRUE(served.engine->submit(request_of(prompt_of(100), 100), reply));
  EXPECT_EQ(read_all(*reply).size(), 100u) << "the largest request that fits does not run";
}

TEST(Engine, EndingItEndsEveryRequest) {
  std::vector<std::shared_ptr<TokenChannel>> replies;
  {
    EngineConfig config = Served::fast_config();
    config.max_num_seqs = 2;
    SimConfig sim = Served::fast_sim();
    sim.cost.step_seconds = 0.002;
    Served served(config, sim);
    for (int i = 0; i < 6; ++i) {
      replies.push_back(channel());
      ASSERT_TRUE(served.engine->submit(request_of(prompt_of(4, i), 200), replies.back()));
    }
    std::this_thread::sleep_for(20ms);
  }
  for (auto& reply : replies) {
    EXPECT_TRUE(reply->closed());
    const auto events = read_all(*reply);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().finish, FinishReason::error);
    EXPECT_EQ(events.back().error.kind, ErrorKind::unavailable);
  }
}

}  // namespace
}  // namespace millrace::engine
