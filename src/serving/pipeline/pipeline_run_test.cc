#include "serving/pipeline/pipeline_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "serving/pipeline/function_step.h"
#include "serving/pipeline/model_step.h"
#include "serving/pipeline/pipeline_rig.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

std::string chain() {
  return std::string(kInput) + model_step("first", "a", "input.x") +
         model_step("second", "b", "first.y") + output("y", "second.y");
}

class PipelineRunTest : public testing::Test {
 protected:
  void open(const std::string& toml) {
    for (const char* name : {"a", "b"}) rig.model(name);
    rig.pipeline("p", toml);
    ASSERT_TRUE(rig.open());
    ASSERT_EQ(to_string(rig.status("p").state), std::string("ready"))
        << rig.status("p").error.message;
  }
  PipelineRig rig;
};

TEST_F(PipelineRunTest, OneModelBehindAnother) {
  open(chain());
  const auto asked = rig.ask("p", {1, 2, 3, 4}, {2, 2});
  EXPECT_THAT(asked->floats(), ElementsAre(4, 8, 12, 16));
  EXPECT_EQ(asked->answer->outputs[0].shape, (Shape{2, 2}));
  const auto stats = rig.status("p").model->tensor_stats()->now();
  EXPECT_EQ(stats.success.count, 1u) << "a pipeline is counted as a model";
  EXPECT_GT(stats.infer.ns, 0u);
}

TEST_F(PipelineRunTest, InputsMayBeOutputs) {
  open(std::string(kInput) + model_step("first", "a", "input.x") + output("same", "input.x") +
       output("y", "first.y") + output("again", "first.y"));
  const auto asked = rig.ask("p", {1, 2}, {1, 2});
  EXPECT_THAT(asked->floats(0), ElementsAre(1, 2));
  EXPECT_THAT(asked->floats(1), ElementsAre(2, 4));
  EXPECT_THAT(asked->floats(2), ElementsAre(2, 4));
}

TEST_F(PipelineRunTest, FanOutOverNoneOneAndManyRows) {
  open(std::string(kInput) +
       "[[step]]\nname = 'score'\ndo = 'reshape'\nshape = [-1]\ninputs = 'narrow.values'\n"
       "[[step]]\nname = 'narrow'\ndo = 'top_k'\nk = 1\ninputs = 'input.x'\n"
       "[[step]]\nname = 'kept'\ndo = 'filter'\nabove = 10\n"
       "inputs = { scores = 'score.values', values = 'input.x' }\n" +
       model_step("each", "a", "kept.values") + output("y", "each.y") +
       output("rows", "kept.indices"));
  EXPECT_THAT(rig.ask("p", {11, 1, 5, 5, 1, 12}, {3, 2})->floats(), ElementsAre(22, 2, 2, 24));
  EXPECT_THAT(rig.ask("p", {11, 1, 5, 5}, {2, 2})->floats(), ElementsAre(22, 2));
  const auto none = rig.ask("p", {1, 1, 5, 5}, {2, 2});
  EXPECT_TRUE(none->wait() && none->answer) << none->error().message;
  EXPECT_EQ(none->answer->outputs[0].shape, (Shape{0, 2}));
  EXPECT_EQ(none->answer->outputs[1].shape, Shape{0});
  EXPECT_EQ(rig.fake("a").runs().size(), 2u) << "no rows: the model is not asked";
}

TEST_F(PipelineRunTest, MoreRowsThanAModelMerges) {
  open(std::string(kInput) + model_step("first", "a", "input.x") + output("y", "first.y"));
  std::vector<float> x(2 * 19, 1.5f);
  x[36] = 7;
  const auto y = rig.ask("p", x, {19, 2})->floats();
  ASSERT_EQ(y.size(), x.size());
  EXPECT_EQ(y[36], 14);
  EXPECT_EQ(y[37], 3);
  for (const auto& run : rig.fake("a").runs()) EXPECT_LE(run.rows, 8);
}

TEST_F(PipelineRunTest, AModelOfOneRowIsAskedForEach) {
  ModelDescription& one = rig.model("one").description;
  one.max_batch_size = 0;
  one.inputs[0].shape = Shape{1, 2};
  one.outputs[0].shape = Shape{1, 2};
  open(std::string(kInput) + model_step("each", "one", "input.x") + output("y", "each.y"));
  EXPECT_THAT(rig.ask("p", {1, 2, 3, 4, 5, 6}, {3, 2})->floats(), ElementsAre(2, 4, 6, 8, 10, 12));
  EXPECT_EQ(rig.fake("one").runs().size(), 3u);
  EXPECT_EQ(rig.ask("p", {}, {0, 2})->floats().size(), 0u);
}

TEST_F(PipelineRunTest, ABranchIsTakenOrItsPlaceIs) {
  open(std::string(kInput) + model_step("fast", "a", "input.x") +
       "[[step]]\nname = 'slow'\nmodel = 'b'\ninputs = 'fast.y'\nwhen = 'max(fast.y) < 10'\n"
       "else = 'fast.y'\n" +
       output("y", "slow.y"));
  EXPECT_THAT(rig.ask("p", {1, 2}, {1, 2})->floats(), ElementsAre(4, 8));
  EXPECT_THAT(rig.ask("p", {1, 20}, {1, 2})->floats(), ElementsAre(2, 40));
  EXPECT_EQ(rig.fake("b").runs().size(), 1u);
}

TEST_F(PipelineRunTest, ABranchNotTakenIsEmptyAndMerges) {
  open(std::string(kInput) +
       "[[step]]\nname = 'low'\nmodel = 'a'\ninputs = 'input.x'\nwhen = 'max(input.x) <= 5'\n"
       "[[step]]\nname = 'high'\nmodel = 'b'\ninputs = 'input.x'\nwhen = 'max(input.x) > 5'\n"
       "[[step]]\nname = 'further'\nmodel = 'b'\ninputs = 'high.y'\n"
       "[[step]]\nname = 'one'\ndo = 'choose'\ninputs = ['low.y', 'further.y']\n" +
       output("y", "one") + output("high", "high.y"));
  const auto low = rig.ask("p", {1, 2}, {1, 2});
  EXPECT_THAT(low->floats(), ElementsAre(2, 4));
  EXPECT_EQ(low->answer->outputs[1].shape, (Shape{0, 2}));
  EXPECT_THAT(rig.ask("p", {1, 20}, {1, 2})->floats(), ElementsAre(4, 80));
}

TEST_F(PipelineRunTest, AnErrorInAnyStageIsAnsweredOnce) {
  rig.model("a").poison = 3.0f;
  rig.model("b").poison = 10.0f;
  open(std::string(kInput) + model_step("first", "a", "input.x") +
       model_step("second", "b", "first.y") +
       "[[step]]\nname = 'third'\ndo = 'reshape'\nshape = [2, 2]\ninputs = 'second.y'\n" +
       output("y", "third"));
  const Error first = rig.ask("p", {3, 1, 1, 1}, {2, 2})->error();
  EXPECT_EQ(first.message, "step 'first': model 'a': poisoned");
  EXPECT_EQ(first.kind, ErrorKind::internal);
  EXPECT_EQ(rig.fake("b").runs().size(), 0u) << "the rest is stopped";
  EXPECT_EQ(rig.ask("p", {5, 1, 1, 1}, {2, 2})->error().message,
            "step 'second': model 'b': poisoned");
  const Error third = rig.ask("p", {1, 1}, {1, 2})->error();
  EXPECT_THAT(third.message, HasSubstr("step 'third': 2 elements do not make"));
  EXPECT_EQ(third.kind, ErrorKind::invalid_argument);
  const auto good = rig.ask("p", {1, 1, 1, 1}, {2, 2});
  EXPECT_THAT(good->floats(), ElementsAre(4, 4, 4, 4)) << "the next request is none the worse";
  EXPECT_EQ(good->num_replies, 1);
}

TEST_F(PipelineRunTest, ACancelInAnyStageStopsTheRest) {
  rig.model("a").automatic = rig.model("b").automatic = false;
  open(chain());
  const auto first = rig.ask("p", {1, 2}, {1, 2});
  ASSERT_TRUE(rig.fake("a").wait_for_runs(1));
  first->stop.request_stop();
  EXPECT_TRUE(rig.fake("a").runs()[0].stop.stop_requested()) << "the model hears of it";
  rig.fake("a").finish_one();
  EXPECT_EQ(first->error().kind, ErrorKind::cancelled);
  EXPECT_EQ(rig.fake("b").runs().size(), 0u);

  const auto second = rig.ask("p", {1, 2}, {1, 2});
  rig.fake("a").finish_one();
  ASSERT_TRUE(rig.fake("b").wait_for_runs(1));
  second->stop.request_stop();
  EXPECT_TRUE(rig.fake("b").runs()[0].stop.stop_requested());
  rig.fake("b").finish_one();
  EXPECT_TRUE(second->wait());
  EXPECT_EQ(second->num_replies, 1);
}

TEST_F(PipelineRunTest, DeadlineAndPriorityReachTheModels) {
  rig.model("a").automatic = false;
  open(chain());
  const auto late = rig.ask("p", {1, 2}, {1, 2}, Clock::now() + 20ms);
  ASSERT_TRUE(rig.fake("a").wait_for_runs(1));
  std::this_thread::sleep_for(30ms);
  rig.fake("a").finish_one();
  const Error error = late->error();
  EXPECT_EQ(error.kind, ErrorKind::deadline_exceeded);
  EXPECT_THAT(error.message, HasSubstr("step 'second'"));
  EXPECT_EQ(rig.fake("b").runs().size(), 0u);

  // Four run at once and one merged batch waits; of those that wait, the most urgent is first.
  std::vector<std::shared_ptr<Asked>> running, waiting;
  for (int i = 0; i < 4; ++i) {
    running.push_back(rig.ask("p", std::vector<float>(16, 0), {8, 2}));
    ASSERT_TRUE(rig.fake("a").wait_for_runs(2 + static_cast<std::size_t>(i)));
  }
  for (const int priority : {9, 1}) {
    waiting.push_back(
        rig.ask("p", std::vector<float>(16, float(priority)), {8, 2}, kNever, priority));
  }
  const Batcher& queue = *rig.status("a").model->batcher();
  while (queue.num_queued() < 2) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 6; ++i) rig.fake("a").finish_one();
  for (const auto& asked : waiting) EXPECT_TRUE(asked->wait());
  EXPECT_EQ(rig.fake("a").runs().at(5).values.at(0), 1);
  EXPECT_EQ(rig.fake("a").runs().at(6).values.at(0), 9);
}

TEST_F(PipelineRunTest, StagesOfDifferentRequestsOverlap) {
  rig.model("b").automatic = false;
  open(chain());
  TraceLog log;
  const auto one =
      rig.ask("p", {1, 1}, {1, 2}, kNever, 5, log.begin("pipeline", "p", Clock::now(), true));
  ASSERT_TRUE(rig.fake("b").wait_for_runs(1)) << "the first is in its second stage";
  const auto two =
      rig.ask("p", {2, 2}, {1, 2}, kNever, 5, log.begin("pipeline", "p", Clock::now(), true));
  ASSERT_TRUE(rig.fake("a").wait_for_runs(2)) << "while the second is in its first";
  ASSERT_TRUE(rig.fake("b").wait_for_runs(2));
  rig.fake("b").finish_one();
  rig.fake("b").finish_one();
  EXPECT_THAT(one->floats(), ElementsAre(4, 4));
  EXPECT_THAT(two->floats(), ElementsAre(8, 8));
  // The same as the traces tell it: second stage of the one, first stage of the other.
  const auto span = [&](std::size_t trace, std::string_view name) {
    for (const TraceSpan& s : log.latest(2).at(trace)->now().spans) {
      if (s.name == name && s.depth == 2) return s;
    }
    return TraceSpan{};
  };
  const TraceSpan second = span(1, "second"), first = span(0, "first");
  EXPECT_LT(second.start, first.start);
  EXPECT_LT(first.end, second.end);
}

TEST_F(PipelineRunTest, RequestsOfTwoPipelinesAreMerged) {
  rig.model("a").automatic = false;
  rig.pipeline("q",
               std::string(kInput) + model_step("only", "a", "input.x") + output("y", "only.y"));
  open(std::string(kInput) + model_step("first", "a", "input.x") + output("y", "first.y"));
  std::vector<std::shared_ptr<Asked>> filling;
  for (int i = 0; i < 4; ++i) {
    filling.push_back(rig.ask("p", std::vector<float>(16, 0), {8, 2}));
    ASSERT_TRUE(rig.fake("a").wait_for_runs(1 + static_cast<std::size_t>(i)));
  }
  const auto p = rig.ask("p", {1, 2}, {1, 2}), q = rig.ask("q", {3, 4}, {1, 2});
  const Batcher& queue = *rig.status("a").model->batcher();
  while (queue.num_queued() < 2) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 5; ++i) rig.fake("a").finish_one();
  EXPECT_THAT(p->floats(), ElementsAre(2, 4));
  EXPECT_THAT(q->floats(), ElementsAre(6, 8));
  EXPECT_EQ(rig.fake("a").runs().back().rows, 2);
}

TEST_F(PipelineRunTest, AModelThatIsGoneIsNamed) {
  open(chain());
  ASSERT_TRUE(rig.store().unload("b"));
  const Error error = rig.ask("p", {1, 2}, {1, 2})->error();
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, HasSubstr("step 'second': model 'b': The model is unloaded."));
  EXPECT_EQ(rig.ask("nobody", {1, 2}, {1, 2})->error().kind, ErrorKind::not_found);
}

TEST_F(PipelineRunTest, APipelineMayUseAPipeline) {
  rig.pipeline("outer", std::string(kInput) + model_step("inner", "p", "input.x") +
                            model_step("last", "a", "inner.y") + output("y", "last.y"));
  open(chain());
  EXPECT_THAT(rig.ask("outer", {1, 2}, {1, 2})->floats(), ElementsAre(8, 16));
}

TEST_F(PipelineRunTest, ValuesTakeSoMuchMemoryAndNoMore) {
  open("max_request_memory = '1KiB'\n" + std::string(kInput) +
       "[[step]]\nname = 'twice'\ndo = 'concat'\ninputs = ['input.x', 'input.x']\n" +
       output("y", "twice"));
  EXPECT_EQ(rig.ask("p", std::vector<float>(80, 1), {40, 2})->floats().size(), 160u);
  const Error error = rig.ask("p", std::vector<float>(160, 1), {80, 2})->error();
  EXPECT_EQ(error.kind, ErrorKind::too_large);
  EXPECT_THAT(error.message, HasSubstr("step 'twice'"));
}

TEST_F(PipelineRunTest, ManyAtOnce) {
  open(std::string(kInput) + model_step("left", "a", "input.x") +
       model_step("right", "b", "input.x") +
       "[[step]]\nname = 'both'\ndo = 'concat'\naxis = 1\ninputs = ['left.y', 'right.y']\n" +
       output("y", "both"));
  std::vector<std::thread> clients;
  std::atomic<int> num_right = 0;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 50; ++i) {
        const auto n = static_cast<float>(c * 100 + i);
        const auto asked = rig.ask("p", {n, 1}, {1, 2});
        if (i % 10 == 9) asked->stop.request_stop();
        if (asked->wait() && (!asked->answer || asked->floats().at(2) == 2 * n)) ++num_right;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(num_right, 200);
}

// --- the executor by itself ---

class BareRunTest : public testing::Test {
 protected:
  using Run = std::function<Result<std::vector<Value>>(std::span<const Value>, const StepContext&)>;
  // Steps in a row, each with one f32 output.
  std::shared_ptr<const PipelineShared> row_of(std::vector<Run> runs) {
    PipelineGraph graph;
    graph.max_request_bytes = 1 << 20;
    graph.inputs = {{.name = "x", .dtype = DType::f32, .any_rank = true}};
    graph.outputs = {{.name = "y", .dtype = DType::f32, .any_rank = true}};
    graph.values.push_back({.name = "input.x"});
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto id = static_cast<ValueId>(i);
      GraphStep step{.name = "s" + std::to_string(i)};
      step.step = make_step({{"y", ValueType{}}}, runs[i]);
      step.inputs = step.waits_for = {id};
      step.first_output = id + 1;
      step.num_outputs = 1;
      graph.values.back().readers.push_back(static_cast<int>(i));
      graph.values.push_back({.name = step.name + ".y"});
      graph.steps.push_back(std::move(step));
    }
    graph.values.back().is_output = true;
    graph.output_values = {static_cast<ValueId>(runs.size())};
    std::vector<HistogramRef> seconds;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      seconds.push_back(metrics.histogram("s", "", {1}, {{"step", std::to_string(i)}}));
    }
    return std::make_shared<const PipelineShared>(PipelineShared{.graph = std::move(graph),
                                                                 .step_seconds = std::move(seconds),
                                                                 .find = {},
                                                                 .workers = workers});
  }
  Result<TensorResult> run(std::vector<Run> runs) {
    Result<TensorResult> answer = fail(ErrorKind::internal, "none");
    const auto x = std::make_shared<float>(1.0f);
    TensorBatch batch;
    batch.inputs = {{.shape = Shape{1}, .parts = {std::as_bytes(std::span(x.get(), 1))}}};
    batch.owner = x;
    PipelineRun::start(row_of(std::move(runs)), std::move(batch),
                       [&](Result<TensorResult> result) { answer = std::move(result); });
    workers.wait_idle();
    return answer;
  }
  Metrics metrics;
  WorkerPool workers{"test", 2};
};

TEST_F(BareRunTest, AValueGoesWithItsLastReader) {
  std::weak_ptr<const void> made;
  bool there_for_its_reader = false, gone_after_it = false;
  const auto answer =
      run({[&](std::span<const Value>, const StepContext&) -> Result<std::vector<Value>> {
             Value value = floats({1}, {1});
             made = value.owner;
             return std::vector{std::move(value)};
           },
           [&](std::span<const Value>, const StepContext&) -> Result<std::vector<Value>> {
             there_for_its_reader = !made.expired();
             return std::vector{floats({1}, {2})};
           },
           [&](std::span<const Value>, const StepContext&) -> Result<std::vector<Value>> {
             gone_after_it = made.expired();
             return std::vector{floats({1}, {3})};
           }});
  ASSERT_TRUE(answer);
  EXPECT_TRUE(there_for_its_reader);
  EXPECT_TRUE(gone_after_it);
}

TEST_F(BareRunTest, AStepThatBreaksItsWordFailsTheRequestOnly) {
  set_log_level(LogLevel::off);
  const auto none = [](std::span<const Value>, const StepContext&) {
    return Result<std::vector<Value>>(std::vector<Value>());
  };
  const auto other_type = [](std::span<const Value>, const StepContext&) {
    return Result<std::vector<Value>>(std::vector{integers({1}, {1})});
  };
  const auto short_of = [](std::span<const Value>, const StepContext&) {
    Value value = floats({1}, {1});
    value.shape = Shape{2};
    return Result<std::vector<Value>>(std::vector{value});
  };
  for (const Run& bad : {Run(none), Run(other_type), Run(short_of)}) {
    const auto answer = run({bad});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::internal);
    EXPECT_THAT(answer.error().message, HasSubstr("step 's0'"));
  }
}

TEST_F(BareRunTest, PartsOfAnInputAreOneValue) {
  const auto shared = row_of({[](std::span<const Value> in, const StepContext&) {
    return Result<std::vector<Value>>(std::vector{in[0]});
  }});
  const float x[] = {1, 2};
  Result<TensorResult> answer = fail(ErrorKind::internal, "none");
  TensorBatch batch;
  batch.inputs = {{.shape = Shape{2},
                   .parts = {std::as_bytes(std::span(x, 1)), std::as_bytes(std::span(x + 1, 1))}}};
  PipelineRun::start(shared, std::move(batch),
                     [&](Result<TensorResult> result) { answer = std::move(result); });
  workers.wait_idle();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->outputs[0].data.size(), 8u);
}

}  // namespace
}  // namespace millrace::serving
