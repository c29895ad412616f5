#include "serving/sequence_room.h"

#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <thread>

#include "serving/sequence_plan.h"
#include "serving/sequence_step.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;

// state_out = state_in + x, y = the same; start, end and id as they came in.
class Accumulator final : public TensorModel {
 public:
  struct Seen {
    float x, state, start, end;
    std::uint64_t id;
  };
  void infer(TensorBatch batch, TensorDone on_done) override {
    const std::int64_t rows = batch.inputs[0].shape[0];
    auto sums = std::make_shared<std::vector<float>>();
    std::vector<std::vector<std::byte>> flat;
    for (const InputTensor& input : batch.inputs) {
      auto& bytes = flat.emplace_back();
      for (const auto part : input.parts) bytes.insert(bytes.end(), part.begin(), part.end());
    }
    std::vector<Seen> now;
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      Seen seen{};
      const auto read = [&](std::size_t input, auto& out) {
        std::memcpy(&out, flat[input].data() + r * sizeof out, sizeof out);
      };
      read(0, seen.x);
      read(1, seen.state);
      read(2, seen.start);
      read(3, seen.end);
      read(4, seen.id);
      sums->push_back(seen.x + seen.state);
      now.push_back(seen);
    }
    std::unique_lock lock(mutex);
    log.insert(log.end(), now.begin(), now.end());
    num_running = static_cast<int>(pending.size()) + 1;
    const bool fails = poison && now[0].x == *poison;
    auto finish = [sums, rows, fails, on_done = std::move(on_done)]() mutable {
      if (fails) return on_done(fail(ErrorKind::internal, "poisoned"));
      TensorResult result;
      for (int i = 0; i < 2; ++i) {
        result.outputs.push_back(
            {.shape = Shape{rows, 1}, .data = std::as_bytes(std::span(*sums))});
      }
      result.owner = sums;
      on_done(std::move(result));
    };
    if (automatic) {
      lock.unlock();
      finish();
    } else {
      pending.push_back(std::move(finish));
      started.notify_all();
    }
  }
  int max_concurrency() const override { return 4; }

  void finish_one() {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(started.wait_for(lock, 5s, [&] { return !pending.empty(); }));
    auto finish = std::move(pending.front());
    pending.pop_front();
    lock.unlock();
    finish();
  }

  std::mutex mutex;
  std::condition_variable started;
  bool automatic = true;
  std::optional<float> poison;
  std::vector<Seen> log;
  std::deque<std::move_only_function<void()>> pending;
  int num_running = 0;
};

ModelDescription description() {
  ModelDescription d;
  const auto spec = [](const char* name, DType dtype) {
    return TensorSpec{.name = name, .dtype = dtype, .shape = Shape{-1, 1}};
  };
  d.inputs = {spec("x", DType::f32), spec("state_in", DType::f32), spec("start", DType::f32),
              spec("end", DType::f32), spec("id", DType::u64)};
  d.outputs = {spec("y", DType::f32), spec("state_out", DType::f32)};
  d.max_batch_size = 8;
  return d;
}

SequenceSettings sequence_settings() {
  return {.enabled = true,
          .states = {{.input = "state_in", .output = "state_out"}},
          .controls = {{.control = SequenceControl::start, .input = "start"},
                       {.control = SequenceControl::end, .input = "end", .off = -1},
                       {.control = SequenceControl::id, .input = "id"}}};
}

// How long a request waits, and while who is there.
struct Wait {
  std::chrono::milliseconds at_most = 1h;
  std::stop_token stop{};
};

class SequenceRoomTest : public testing::Test {
 protected:
  using Answer = Result<float>;
  void open(SequenceSettings settings = sequence_settings()) {
    auto plan = plan_sequences(settings, graph);
    ASSERT_TRUE(plan && *plan) << plan.error().message;
    room = std::make_unique<SequenceRoom>(**plan, settings, batcher, metrics, "m", "1");
  }
  std::future<Answer> send(SequenceId id, float x, bool start = false, bool end = false,
                           const Wait& wait = {}) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto owned = std::make_shared<std::vector<float>>(1, x);
    BatchRequest request{
        .owner = owned, .deadline = Clock::now() + wait.at_most, .stop = wait.stop};
    request.inputs = {{.shape = Shape{1, 1}, .parts = {std::as_bytes(std::span(*owned))}}};
    request.reply = [promise](Result<TensorAnswer> answer) {
      if (!answer) return promise->set_value(std::unexpected(answer.error()));
      EXPECT_EQ(answer->outputs.size(), 1u) << "the state stays here";
      float y = 0;
      std::memcpy(&y, answer->outputs[0].data.data(), sizeof y);
      promise->set_value(y);
    };
    auto future = promise->get_future();
    const Status taken =
        room->submit({.id = std::move(id), .start = start, .end = end}, request, workers);
    if (!taken) promise->set_value(std::unexpected(taken.error()));
    return future;
  }
  static Answer get(std::future<Answer> future) {
    if (future.wait_for(10s) != std::future_status::ready) return fail(ErrorKind::internal, "late");
    return future.get();
  }
  Answer ask(SequenceId id, float x, bool start = false, bool end = false) {
    return get(send(std::move(id), x, start, end));
  }
  double pending() const {
    const std::string text = metrics.expose();
    const std::string series = "millrace_inferences_pending{model_name=\"m\",model_version=\"1\"} ";
    const auto at = text.find(series);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size()));
  }
  bool eventually_none() {
    for (int i = 0; i < 500 && room->num_sequences() > 0; ++i) std::this_thread::sleep_for(10ms);
    return room->num_sequences() == 0;
  }

  ModelDescription graph = description();
  Metrics metrics;
  WorkerPool workers{"test", 2};
  Accumulator model;
  TensorStats stats{metrics, "m"};
  Batcher batcher{
      model, graph, stats, {.limits = {.max_rows = 8}, .settings = {.queue = {.max_size = 5}}}};
  std::unique_ptr<SequenceRoom> room;
};

TEST_F(SequenceRoomTest, TheStateComesBackAsTheNextInput) {
  open();
  EXPECT_EQ(ask(std::uint64_t{7}, 1, true), 1);
  EXPECT_EQ(ask(std::uint64_t{7}, 2), 3);
  EXPECT_EQ(ask(std::uint64_t{8}, 10, true), 10) << "another sequence";
  EXPECT_EQ(ask(std::uint64_t{7}, 3, false, true), 6);
  EXPECT_EQ(room->num_sequences(), 1u);
  EXPECT_EQ(ask(std::uint64_t{8}, 5), 15);
  const auto& log = model.log;
  ASSERT_EQ(log.size(), 5u);
  EXPECT_EQ(log[0].start, 1);
  EXPECT_EQ(log[1].start, 0);
  EXPECT_EQ(log[0].end, -1);
  EXPECT_EQ(log[3].end, 1);
  EXPECT_EQ(log[0].id, 7u);
}

TEST_F(SequenceRoomTest, AnIdFitsTheInputThatGetsIt) {
  open();
  const Answer text = ask("7", 1, true);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().param, "sequence_id") << "the graph's input is a number";
  EXPECT_EQ(room->num_sequences(), 0u);
}

TEST_F(SequenceRoomTest, ASequenceMustBegin) {
  open();
  const Answer unknown = ask(std::uint64_t{1}, 1);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(unknown.error().param, "sequence_id");
  EXPECT_EQ(ask(std::uint64_t{1}, 1, true, true), 1) << "one request may be all of it";
  EXPECT_FALSE(ask(std::uint64_t{1}, 1)) << "it has ended";
  EXPECT_EQ(ask(std::uint64_t{1}, 2, true), 2);
  EXPECT_EQ(ask(std::uint64_t{1}, 3, true), 3) << "a second start begins anew";
}

TEST_F(SequenceRoomTest, OneAtATimeAndInOrder) {
  open();
  model.automatic = false;
  std::vector<std::future<Answer>> answers;
  for (int i = 1; i <= 5; ++i) answers.push_back(send(std::uint64_t{1}, float(i), i == 1, i == 5));
  EXPECT_FALSE(get(send(std::uint64_t{1}, 9))) << "its end is under way";
  answers.push_back(send(std::uint64_t{1}, 50, true));
  for (int i = 0; i < 6; ++i) {
    model.finish_one();
    std::lock_guard lock(model.mutex);
    EXPECT_LE(model.pending.size(), 1u);
    EXPECT_EQ(model.num_running, 1);
  }
  const float expected[] = {1, 3, 6, 10, 15, 50};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(get(std::move(answers[i])), expected[i]);
}

TEST_F(SequenceRoomTest, ThoseBehindOthersArePending) {
  open();
  model.automatic = false;
  std::vector<std::future<Answer>> answers;
  for (int i = 1; i <= 4; ++i) answers.push_back(send(std::uint64_t{1}, float(i), i == 1));
  EXPECT_EQ(pending(), 3);
  EXPECT_EQ(batcher.num_queued(), 3u);
  for (int left = 3; left >= 0; --left) {
    model.finish_one();
    EXPECT_TRUE(get(std::move(answers[std::size_t(3 - left)])));
    EXPECT_EQ(pending(), std::max(0, left - 1));
  }
}

TEST_F(SequenceRoomTest, TheyFindTheQueueFull) {
  open();
  model.automatic = false;
  std::vector<std::future<Answer>> answers;
  for (int i = 1; i <= 6; ++i) answers.push_back(send(std::uint64_t{1}, 1, i == 1));
  const Answer more = get(send(std::uint64_t{1}, 100));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(more.error().code, "overloaded");
  EXPECT_FALSE(get(send(std::uint64_t{2}, 1, true))) << "one queue for all";
  EXPECT_EQ(pending(), 5);
  for (int i = 0; i < 6; ++i) model.finish_one();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(get(std::move(answers[std::size_t(i)])), float(i + 1));
}

TEST_F(SequenceRoomTest, TheirTimeMayBeOver) {
  open();
  model.automatic = false;
  auto first = send(std::uint64_t{1}, 1, true);
  auto late = send(std::uint64_t{1}, 10, false, true, {.at_most = 30ms});
  const Answer refused = get(std::move(late));  // while the first still runs
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::deadline_exceeded);
  EXPECT_EQ(pending(), 0);
  auto third = send(std::uint64_t{1}, 2);
  EXPECT_FALSE(get(send(std::uint64_t{1}, 3, false, false, {.at_most = 0ms})));
  model.finish_one();
  model.finish_one();
  EXPECT_EQ(get(std::move(first)), 1);
  EXPECT_EQ(get(std::move(third)), 3) << "the sequence goes on, the late end was not run";
  EXPECT_EQ(room->num_sequences(), 1u);
}

TEST_F(SequenceRoomTest, TheyMayBeCancelled) {
  open();
  model.automatic = false;
  std::stop_source gone;
  auto first = send(std::uint64_t{1}, 1, true);
  auto second = send(std::uint64_t{1}, 10, false, false, {.stop = gone.get_token()});
  auto third = send(std::uint64_t{1}, 2, false, true);
  gone.request_stop();
  const Answer cancelled = get(std::move(second));
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().kind, ErrorKind::cancelled);
  model.finish_one();
  model.finish_one();
  EXPECT_TRUE(get(std::move(first)));
  EXPECT_EQ(get(std::move(third)), 3);
  EXPECT_TRUE(eventually_none());
}

// What follows a beginning that did not come to run must not go on with the state before it.
TEST_F(SequenceRoomTest, WithoutItsBeginningASequenceIsNotRun) {
  open();
  model.automatic = false;
  std::stop_source gone;
  auto first = send(std::uint64_t{1}, 1, true, true);
  auto again = send(std::uint64_t{1}, 10, true, false, {.stop = gone.get_token()});
  auto follower = send(std::uint64_t{1}, 20);
  auto end = send(std::uint64_t{1}, 30, false, true);
  auto anew = send(std::uint64_t{1}, 40, true);
  gone.request_stop();
  EXPECT_EQ(get(std::move(again)).error().kind, ErrorKind::cancelled);
  EXPECT_EQ(get(std::move(follower)).error().code, "sequence_not_found");
  EXPECT_EQ(get(std::move(end)).error().code, "sequence_not_found");
  model.finish_one();
  model.finish_one();
  EXPECT_EQ(get(std::move(first)), 1);
  EXPECT_EQ(get(std::move(anew)), 40);
}

TEST_F(SequenceRoomTest, ManyThatGoWhileOthersRun) {
  open();
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (std::uint64_t c = 1; c <= 3; ++c) {
    clients.emplace_back([&, c] {
      for (int round = 0; round < 100; ++round) {
        std::stop_source gone;
        auto first = send(c, 1, true);
        auto second = send(c, 1, false, false, {.stop = gone.get_token()});
        auto third = send(c, 1, false, round % 2 == 0, {.at_most = 1ms});
        gone.request_stop();
        for (auto* answer : {&first, &second, &third}) {
          const Answer got = get(std::move(*answer));
          const bool fair = got || got.error().kind != ErrorKind::internal;
          if (fair) ++answered;
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(answered, 900) << "each once";
  EXPECT_EQ(pending(), 0);
}

TEST_F(SequenceRoomTest, SequencesDoNotMix) {
  open();
  std::vector<std::thread> clients;
  std::atomic<int> wrong = 0;
  for (std::uint64_t c = 1; c <= 8; ++c) {
    clients.emplace_back([&, c] {
      float sum = 0;
      for (int i = 0; i < 50; ++i) {
        sum += float(c);
        const Answer answer = ask(c, float(c), i == 0, i == 49);
        if (!answer || *answer != sum) ++wrong;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(room->num_sequences(), 0u);
}

TEST_F(SequenceRoomTest, AFailureLeavesTheState) {
  open();
  EXPECT_EQ(ask(std::uint64_t{1}, 1, true), 1);
  model.poison = 13;
  EXPECT_FALSE(ask(std::uint64_t{1}, 13));
  EXPECT_EQ(ask(std::uint64_t{1}, 2), 3);
}

TEST_F(SequenceRoomTest, IdleOnesAreForgottenAndManyRefused) {
  auto settings = sequence_settings();
  settings.max_idle = 50ms;
  settings.max_sequences = 2;
  open(settings);
  model.automatic = false;
  auto slow = send(std::uint64_t{1}, 1, true);
  auto other = send(std::uint64_t{2}, 1, true);
  const Answer third = ask(std::uint64_t{3}, 1, true);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::unavailable);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(room->num_sequences(), 2u) << "one that runs is not idle";
  model.finish_one();
  model.finish_one();
  EXPECT_TRUE(get(std::move(slow)));
  EXPECT_TRUE(get(std::move(other)));
  EXPECT_TRUE(eventually_none());
  EXPECT_FALSE(ask(std::uint64_t{1}, 1));
}

TEST_F(SequenceRoomTest, AnInitialStateMayBeGiven) {
  auto settings = sequence_settings();
  const float first = 100;
  const auto bytes = std::as_bytes(std::span(&first, 1));
  settings.states[0].initial.assign(bytes.begin(), bytes.end());
  open(settings);
  EXPECT_EQ(ask(std::uint64_t{1}, 1, true), 101);
  EXPECT_EQ(ask(std::uint64_t{1}, 1, true), 101);
}

TEST_F(SequenceRoomTest, AnIdMustFitItsInput) {
  open();
  EXPECT_EQ(ask("word", 1, true).error().param, "sequence_id");
  graph.inputs[4].dtype = DType::bytes;
  const auto plan = plan_sequences(sequence_settings(), graph);
  EXPECT_TRUE(plan && *plan);
}

TEST(SequencePlan, IsCheckedAgainstTheGraph) {
  const auto error_of = [](SequenceSettings settings, ModelDescription graph = description()) {
    const auto plan = plan_sequences(settings, graph);
    return plan ? std::string("none") : plan.error().message;
  };
  EXPECT_FALSE(*plan_sequences({}, description())) << "no state, no plan";
  auto settings = sequence_settings();
  settings.states[0].input = "absent";
  EXPECT_NE(error_of(settings).find("no input 'absent'"), std::string::npos);
  settings = sequence_settings();
  settings.states.push_back(settings.states[0]);
  EXPECT_NE(error_of(settings).find("used twice"), std::string::npos);
  settings = sequence_settings();
  settings.states[0].dims = {3};
  EXPECT_NE(error_of(settings).find("begins with shape [1,3]"), std::string::npos);
  settings = sequence_settings();
  settings.states[0].initial.resize(3);
  EXPECT_NE(error_of(settings).find("3 bytes"), std::string::npos);
  settings = sequence_settings();
  settings.states[0].dtype = DType::i64;
  EXPECT_NE(error_of(settings).find("one type"), std::string::npos);
  auto graph = description();
  graph.inputs[2].dtype = DType::u8;
  EXPECT_NE(error_of(sequence_settings(), graph).find("FP32, INT32, INT64 or BOOL"),
            std::string::npos);
  const auto shown =
      client_description(**plan_sequences(sequence_settings(), description()), description());
  ASSERT_EQ(shown.inputs.size(), 1u);
  EXPECT_EQ(shown.inputs[0].name, "x");
  ASSERT_EQ(shown.outputs.size(), 1u);
}

TEST(SequencePlan, TheGraphsOwnStateNeedsNoSettings) {
  auto graph = description();
  graph.states = {{.input = "state_in", .output = "state_out"}};
  const auto plan = plan_sequences({}, graph);
  ASSERT_TRUE(plan && *plan);
  EXPECT_EQ((*plan)->states.size(), 1u);
  EXPECT_EQ((*plan)->states[0].shape, (Shape{1, 1}));
  EXPECT_EQ((*plan)->client_inputs.size(), 4u);
}

}  // namespace
}  // namespace millrace::serving
