#include "api/grpc/tf_example_calls.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "api/errors.h"
#include "api/fake_server.h"
#include "api/grpc/fake_call.h"
#include "api/grpc/methods.h"
#include "api/grpc/tf_example_message.h"
#include "api/grpc/tf_run_calls.h"
#include "serving/fake_tensor_model.h"

namespace millrace::api {
namespace {

namespace tfs = tensorflow::serving;

#define PREDICTION "/tensorflow.serving.PredictionService/"
constexpr const char* kClassify = PREDICTION "Classify";
constexpr const char* kRegress = PREDICTION "Regress";
constexpr const char* kMulti = PREDICTION "MultiInference";

void add_feature(tensorflow::Example& example, const char* key,
                 std::initializer_list<float> values) {
  auto& list = *(*example.mutable_features()->mutable_feature())[key].mutable_float_list();
  for (const float value : values) list.add_value(value);
}

// One model "m": y = 2 x, rows of two.
class TfExampleCallsTest : public testing::Test {
 protected:
  std::shared_ptr<FakeCall> ask(const char* path, const std::string& bytes) {
    auto call = std::make_shared<FakeCall>();
    find_method(path)->handle(server.context, call, Message(bytes));
    EXPECT_TRUE(call->wait_over()) << path;
    return call;
  }
  template <class Response, class Request>
  Response answer(const char* path, const Request& request) {
    const auto call = ask(path, request.SerializeAsString());
    Response response;
    EXPECT_FALSE(call->error) << call->error->message;
    EXPECT_TRUE(!call->sent.empty() && response.ParseFromString(call->sent.front()));
    return response;
  }
  template <class Request>
  std::string refusal(const char* path, const Request& request) {
    const auto call = ask(path, request.SerializeAsString());
    if (!call->error) return "none";
    return std::to_string(grpc_code(*call->error)) + " " + call->error->message;
  }
  static tfs::ClassificationRequest two_rows() {
    tfs::ClassificationRequest request;
    request.mutable_model_spec()->set_name("m");
    auto& list = *request.mutable_input()->mutable_example_list();
    add_feature(*list.add_examples(), "x", {1, 2});
    add_feature(*list.add_examples(), "x", {3, 4});
    return request;
  }

  FakeServer server{{}, [](const ModelSpec&, serving::FakeServable& servable) -> Status {
                      servable.tensors = std::make_unique<serving::FakeTensorModel>();
                      servable.description = serving::fake_tensor_description(8);
                      return {};
                    }};
};

TEST_F(TfExampleCallsTest, Classify) {
  const auto got = answer<tfs::ClassificationResponse>(kClassify, two_rows());
  ASSERT_EQ(got.result().classifications_size(), 2);
  ASSERT_EQ(got.result().classifications(1).classes_size(), 2);
  EXPECT_EQ(got.result().classifications(1).classes(0).score(), 6);
  EXPECT_EQ(got.result().classifications(1).classes(1).label(), "");
  EXPECT_EQ(got.model_spec().name(), "m");
  EXPECT_EQ(got.model_spec().version().value(), 1);
  EXPECT_EQ(got.model_spec().signature_name(), "serving_default");
}

TEST_F(TfExampleCallsTest, AContextIsInEachExample) {
  auto request = two_rows();
  auto& list = *request.mutable_input()->mutable_example_list_with_context();
  add_feature(*list.mutable_context(), "x", {5, 6});
  add_feature(*list.add_examples(), "x", {1, 1});
  list.add_examples();
  const auto got = answer<tfs::ClassificationResponse>(kClassify, request);
  ASSERT_EQ(got.result().classifications_size(), 2);
  EXPECT_EQ(got.result().classifications(0).classes(1).score(), 2);
  EXPECT_EQ(got.result().classifications(1).classes(1).score(), 12);
}

TEST_F(TfExampleCallsTest, Refusals) {
  EXPECT_EQ(
      refusal(kRegress, two_rows()),
      "3 the model does not answer one number an example, so there is nothing to regress; use "
      ":predict");
  auto request = two_rows();
  request.mutable_model_spec()->set_name("none");
  EXPECT_TRUE(refusal(kClassify, request).starts_with("5 "));
  request = two_rows();
  request.mutable_model_spec()->mutable_version()->set_value(7);
  EXPECT_TRUE(refusal(kClassify, request).starts_with("5 "));
  request = two_rows();
  request.mutable_model_spec()->set_signature_name("other");
  EXPECT_TRUE(
      refusal(kClassify, request).starts_with("3 Serving signature name 'other' not found"));
  request.Clear();
  request.mutable_model_spec()->set_name("m");
  EXPECT_EQ(refusal(kClassify, request), "3 'input' is empty");
  request = two_rows();
  request.mutable_input()->mutable_example_list()->mutable_examples(1)->Clear();
  EXPECT_EQ(refusal(kClassify, request), "3 example 1: input 'x' is missing in one of 'examples'");
  request = two_rows();
  add_feature(*request.mutable_input()->mutable_example_list()->mutable_examples(0), "z", {1});
  EXPECT_EQ(refusal(kClassify, request), "3 example 0: the model has no input 'z'");
  request = two_rows();
  (*request.mutable_input()
        ->mutable_example_list()
        ->mutable_examples(0)
        ->mutable_features()
        ->mutable_feature())["x"]
      .mutable_int64_list()
      ->add_value(1);
  EXPECT_EQ(refusal(kClassify, request),
            "3 example 0: input 'x' has integers, but the model takes FP32");
  for (const std::string bytes : {"\x0a\xff", "\x08\x01", "\x12\x04\x0a\x02\x08\x01"}) {
    const auto call = ask(kClassify, bytes);
    ASSERT_TRUE(call->error);
    EXPECT_EQ(grpc_code(*call->error), 3) << call->error->message;
  }
}

TEST_F(TfExampleCallsTest, TasksAreAnsweredTogether) {
  tfs::MultiInferenceRequest request;
  *request.mutable_input() = two_rows().input();
  auto& task = *request.add_tasks();
  task.mutable_model_spec()->set_name("m");
  task.set_method_name("tensorflow/serving/classify");
  const auto got = answer<tfs::MultiInferenceResponse>(kMulti, request);
  ASSERT_EQ(got.results_size(), 1);
  EXPECT_EQ(got.results(0).classification_result().classifications(0).classes(0).score(), 2);
  EXPECT_EQ(got.results(0).model_spec().signature_name(), "serving_default");
  *request.add_tasks() = task;
  EXPECT_EQ(refusal(kMulti, request), "3 signature 'serving_default' is asked twice");
  request.mutable_tasks()->RemoveLast();
  request.mutable_tasks(0)->set_method_name("tensorflow/serving/predict");
  EXPECT_TRUE(refusal(kMulti, request).starts_with("3 method_name 'tensorflow/serving/predict'"));
  request.mutable_tasks(0)->set_method_name("tensorflow/serving/regress");
  EXPECT_TRUE(refusal(kMulti, request).contains("nothing to regress"));
  request.clear_tasks();
  EXPECT_EQ(refusal(kMulti, request), "3 'tasks' must be 1 to 64");
}

}  // namespace
}  // namespace millrace::api
