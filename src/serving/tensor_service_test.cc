#include "serving/tensor_service.h"

#include <gtest/gtest.h>

#include <future>

#include "base/log.h"
#include "serving/fake_model.h"
#include "serving/fake_tensor_model.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;

class TensorServiceTest : public testing::Test {
 protected:
  TensorServiceTest() {
    set_log_level(LogLevel::error);
    folder.file("double/7/weights.fake");
    folder.file("text.fake");
    backend.prepare = [this](const ModelSpec& spec, FakeServable& servable) -> Status {
      if (spec.name != "double") return {};
      auto made = std::make_unique<FakeTensorModel>();
      model = made.get();
      servable.tensors = std::move(made);
      servable.description = fake_tensor_description(8);
      return {};
    };
    EXPECT_TRUE(store.open());
    EXPECT_TRUE(store.wait_until_loaded(5s));
  }
  TensorRequest request(const std::vector<float>& values, std::int64_t rows) {
    return {.model = *service.find_model("double"),
            .inputs = {{.name = "x",
                        .dtype = DType::f32,
                        .dims = {rows, 2},
                        .data = std::as_bytes(std::span(values))}}};
  }

  ~TensorServiceTest() override { workers.wait_idle(); }

  TemporaryFolder folder;
  FakeBackend backend;
  FakeTensorModel* model = nullptr;
  Metrics metrics;
  WorkerPool workers{"test", 2};  // outlives the models, whose threads hand it their answers
  ModelStore store{{.path = folder.path(), .defaults = {}, .memory = {.total_bytes = 1 << 20}},
                   {&backend},
                   metrics};
  Admission admission{{.max_requests = 2}};
  TensorService service{store, admission, workers};
};

TEST_F(TensorServiceTest, FindsModelsThatTakeTensors) {
  EXPECT_TRUE(service.find_model("double"));
  EXPECT_TRUE(service.find_model("double", "7"));
  EXPECT_EQ(service.find_model("double", "8").error().kind, ErrorKind::not_found);
  EXPECT_EQ(service.find_model("text").error().code, "model_not_supported");
  EXPECT_EQ(service.find_model("none").error().kind, ErrorKind::not_found);
}

TEST_F(TensorServiceTest, AnswersOnAWorkerWithThePlaceGivenBack) {
  const std::vector<float> values = {1, 2, 3, 4};
  std::promise<int> done;
  const auto caller = std::this_thread::get_id();
  model->automatic = false;
  ASSERT_TRUE(service.infer(request(values, 2), [&](Result<TensorAnswer> answer) {
    const bool right =
        answer && answer->outputs[0].shape == Shape{2, 2} && std::this_thread::get_id() != caller;
    done.set_value(right ? admission.num_requests() : 99);
  }));
  model->finish_one();  // here: a thread of the runtime
  auto future = done.get_future();
  ASSERT_EQ(future.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(future.get(), 0);
}

// Small ones of lone executions, where whoever asked allows it.
TEST_F(TensorServiceTest, LightAnswersAreHandedOverWhereTheyCome) {
  model->automatic = false;
  const std::vector<float> values = {1, 2, 3, 4};
  const auto is_here = [&](std::size_t most_bytes) {
    std::promise<std::thread::id> done;
    auto asked = request(values, 2);
    asked.light_answer_bytes = most_bytes;
    EXPECT_TRUE(service.infer(std::move(asked), [&](Result<TensorAnswer> answer) {
      EXPECT_TRUE(answer);
      EXPECT_EQ(admission.num_requests(), 0);
      done.set_value(std::this_thread::get_id());
    }));
    model->finish_one();  // here: a thread of the runtime
    return done.get_future().get() == std::this_thread::get_id();
  };
  EXPECT_TRUE(is_here(16));
  EXPECT_FALSE(is_here(15));
  EXPECT_FALSE(is_here(0));
}

TEST_F(TensorServiceTest, AnswersOfOneExecutionToManyAreNotLight) {
  model->automatic = false;
  const std::vector<float> row = {1, 2};
  Admission many{{.max_requests = 8}};
  TensorService asked{store, many, workers};
  std::atomic<int> here = 0, answers = 0;
  const auto caller = std::this_thread::get_id();
  for (int i = 0; i < 4; ++i) {
    auto one = request(row, 1);
    one.light_answer_bytes = 1024;
    ASSERT_TRUE(asked.infer(std::move(one), [&](Result<TensorAnswer> answer) {
      EXPECT_TRUE(answer);
      here += std::this_thread::get_id() == caller;
      ++answers;
    }));
  }
  model->finish_one();
  EXPECT_EQ(here, 1) << "the first was alone";
  model->finish_one();  // the three that waited for it
  workers.wait_idle();
  EXPECT_TRUE(many.wait_until_empty(5s));
  workers.wait_idle();
  EXPECT_EQ(answers, 4);
  EXPECT_EQ(here, 1);
}

TEST_F(TensorServiceTest, WhatIsOverAtOnceIsAnsweredWhereItWasAsked) {
  const std::vector<float> values = {1, 2};
  int num_requests = 99;
  std::thread::id answered;
  ASSERT_TRUE(service.infer(request(values, 1), [&](Result<TensorAnswer> answer) {
    ASSERT_TRUE(answer);
    num_requests = admission.num_requests();
    answered = std::this_thread::get_id();
  }));
  EXPECT_EQ(answered, std::this_thread::get_id());
  EXPECT_EQ(num_requests, 0);
}

TEST_F(TensorServiceTest, RefusesBeforeAnythingRuns) {
  const std::vector<float> values = {1, 2, 3};
  const auto never = [](Result<TensorAnswer>) { ADD_FAILURE(); };
  EXPECT_EQ(service.infer(request(values, 2), never).error().param, "x");
  EXPECT_EQ(admission.num_requests(), 0);
  model->automatic = false;
  const std::vector<float> row = {1, 2};
  std::atomic<int> answers = 0;
  const auto count = [&](Result<TensorAnswer>) { ++answers; };
  ASSERT_TRUE(service.infer(request(row, 1), count));
  ASSERT_TRUE(service.infer(request(row, 1), count));
  EXPECT_EQ(service.infer(request(row, 1), never).error().code, "overloaded");
  model->finish_one();
  model->finish_one();
  EXPECT_TRUE(admission.wait_until_empty(5s));
  workers.wait_idle();
  EXPECT_EQ(answers, 2);
}

}  // namespace
}  // namespace millrace::serving
