// The handlers, on a call that a test holds in its hands.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "api/errors.h"
#include "api/fake_server.h"
#include "api/grpc/fake_call.h"
#include "api/grpc/grpc_call.h"
#include "api/grpc/grpc_metrics.h"
#include "api/grpc/grpc_server.h"
#include "api/grpc/health_calls.h"
#include "api/grpc/infer_calls.h"
#include "api/grpc/kserve_calls.h"
#include "api/grpc/methods.h"
#include "api/grpc/tf_calls.h"
#include "serving/fake_tensor_model.h"

namespace millrace::api {
namespace {

// One model "m": y = 2 x, rows of two.
class GrpcCallsTest : public testing::Test {
 protected:
  template <class Request>
  std::shared_ptr<FakeCall> ask(const char* path, const Request& request) {
    auto call = std::make_shared<FakeCall>();
    call->until = deadline;
    const Method* method = find_method(path);
    EXPECT_NE(method, nullptr) << path;
    method->handle(server.context, call, Message(request.SerializeAsString()));
    return call;
  }
  template <class Response, class Request>
  Response answer(const char* path, const Request& request) {
    const auto call = ask(path, request);
    Response response;
    EXPECT_TRUE(call->wait_over()) << path;
    EXPECT_FALSE(call->error) << call->error->message;
    EXPECT_TRUE(!call->sent.empty() && response.ParseFromString(call->sent.front()));
    return response;
  }
  template <class Request>
  int code(const char* path, const Request& request) {
    const auto call = ask(path, request);
    EXPECT_TRUE(call->wait_over()) << path;
    return call->error ? grpc_code(*call->error) : 0;
  }
  static inference::ModelInferRequest rows(std::initializer_list<float> values) {
    inference::ModelInferRequest request;
    request.set_model_name("m");
    request.set_id("i7");
    auto& x = *request.add_inputs();
    x.set_name("x");
    x.set_datatype("FP32");
    x.add_shape(static_cast<std::int64_t>(values.size() / 2));
    x.add_shape(2);
    request.add_raw_input_contents(std::string(reinterpret_cast<const char*>(std::data(values)),
                                               values.size() * sizeof(float)));
    return request;
  }

  TimePoint deadline = kNever;
  serving::FakeTensorModel* model = nullptr;
  FakeServer server{{.version = "1.2.3"},
                    [this](const ModelSpec&, serving::FakeServable& servable) -> Status {
                      auto made = std::make_unique<serving::FakeTensorModel>();
                      model = made.get();
                      servable.tensors = std::move(made);
                      servable.description = serving::fake_tensor_description(8);
                      return {};
                    }};
};

constexpr const char* kInfer = "/inference.GRPCInferenceService/ModelInfer";
constexpr const char* kStream = "/inference.GRPCInferenceService/ModelStreamInfer";
constexpr const char* kPredict = "/tensorflow.serving.PredictionService/Predict";

std::vector<float> floats(const std::string& bytes) {
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

TEST_F(GrpcCallsTest, InferAnswersRaw) {
  const auto got = answer<inference::ModelInferResponse>(kInfer, rows({1, 2, 3, 4.5f}));
  EXPECT_EQ(got.model_name(), "m");
  EXPECT_EQ(got.model_version(), "1");
  EXPECT_EQ(got.id(), "i7");
  ASSERT_EQ(got.outputs_size(), 1);
  EXPECT_EQ(got.outputs(0).name(), "y");
  EXPECT_EQ(got.outputs(0).datatype(), "FP32");
  EXPECT_EQ(got.outputs(0).shape(0), 2);
  ASSERT_EQ(got.raw_output_contents_size(), 1);
  EXPECT_EQ(floats(got.raw_output_contents(0)), (std::vector<float>{2, 4, 6, 9}));
}

TEST_F(GrpcCallsTest, ClassesComeAsStrings) {
  auto request = rows({1, 2});
  auto& y = *request.add_outputs();
  y.set_name("y");
  (*y.mutable_parameters())["classification"].set_int64_param(1);
  const auto got = answer<inference::ModelInferResponse>(kInfer, request);
  EXPECT_EQ(got.outputs(0).datatype(), "BYTES");
  EXPECT_EQ(got.raw_output_contents(0).substr(4), "4.000000:1");
}

TEST_F(GrpcCallsTest, RefusalsHaveTheirCodes) {
  auto unknown = rows({1, 2});
  unknown.set_model_name("none");
  EXPECT_EQ(code(kInfer, unknown), 5);
  auto version = rows({1, 2});
  version.set_model_version("9");
  EXPECT_EQ(code(kInfer, version), 5);
  auto shape = rows({1, 2});
  shape.mutable_inputs(0)->set_shape(0, -1);
  EXPECT_EQ(code(kInfer, shape), 3);
  shape.mutable_inputs(0)->set_shape(0, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(code(kInfer, shape), 3);
  auto output = rows({1, 2});
  output.add_outputs()->set_name("z");
  EXPECT_EQ(code(kInfer, output), 3);
  EXPECT_EQ(model->runs().size(), 0u);
  const auto garbage = std::make_shared<FakeCall>();
  find_method(kInfer)->handle(server.context, garbage, Message("garbage"));
  ASSERT_TRUE(garbage->error);
  EXPECT_EQ(grpc_code(*garbage->error), 3);
}

TEST_F(GrpcCallsTest, ALateRequestEndsAndALeftOneIsStopped) {
  model->automatic = false;
  const auto first = ask(kInfer, rows({1, 2}));
  ASSERT_TRUE(model->wait_for_runs(1));
  deadline = Clock::now() + std::chrono::milliseconds(2);
  EXPECT_EQ(code(kInfer, rows({3, 4})), 4);
  EXPECT_FALSE(model->runs()[0].stop.stop_requested());
  first->source.request_stop();
  EXPECT_TRUE(model->runs()[0].stop.stop_requested());
  model->finish_one();
  EXPECT_TRUE(server.admission.wait_until_empty(std::chrono::seconds(5)));
}

TEST_F(GrpcCallsTest, AStreamGoesOnAfterAnError) {
  const auto call = std::make_shared<FakeCall>();
  const Method& method = *find_method(kStream);
  auto wrong = rows({1, 2});
  wrong.set_id("wrong");
  wrong.mutable_inputs(0)->set_name("q");
  method.handle(server.context, call, Message(wrong.SerializeAsString()));
  method.handle(server.context, call, Message(rows({1, 2}).SerializeAsString()));
  ASSERT_TRUE(call->wait([](const FakeCall& c) { return c.num_settled == 2; }));
  ASSERT_EQ(call->sent.size(), 2u);
  inference::ModelStreamInferResponse response;
  ASSERT_TRUE(response.ParseFromString(call->sent[0]));
  EXPECT_EQ(response.error_message(), "the model has no input 'q'");
  EXPECT_EQ(response.infer_response().id(), "wrong");
  ASSERT_TRUE(response.ParseFromString(call->sent[1]));
  EXPECT_EQ(response.error_message(), "");
  EXPECT_EQ(floats(response.infer_response().raw_output_contents(0)), (std::vector<float>{2, 4}));
  EXPECT_TRUE(response.infer_response().parameters().at("triton_final_response").bool_param());
  EXPECT_FALSE(call->over);
}

TEST_F(GrpcCallsTest, TellsOfItself) {
  const std::string service = "/inference.GRPCInferenceService/";
  const auto path = [&](const char* method) { return service + method; };
  EXPECT_TRUE(answer<inference::ServerLiveResponse>(path("ServerLive").c_str(),
                                                    inference::ServerLiveRequest())
                  .live());
  EXPECT_TRUE(answer<inference::ServerReadyResponse>(path("ServerReady").c_str(),
                                                     inference::ServerReadyRequest())
                  .ready());
  inference::ModelReadyRequest ready;
  ready.set_name("m");
  EXPECT_TRUE(answer<inference::ModelReadyResponse>(path("ModelReady").c_str(), ready).ready());
  ready.set_version("2");
  EXPECT_FALSE(answer<inference::ModelReadyResponse>(path("ModelReady").c_str(), ready).ready());
  EXPECT_EQ(answer<inference::ServerMetadataResponse>(path("ServerMetadata").c_str(),
                                                      inference::ServerMetadataRequest())
                .version(),
            "1.2.3");
  inference::ModelMetadataRequest metadata;
  metadata.set_name("m");
  const auto about =
      answer<inference::ModelMetadataResponse>(path("ModelMetadata").c_str(), metadata);
  EXPECT_EQ(about.inputs(0).shape(0), -1);
  inference::ModelConfigRequest config;
  config.set_name("m");
  const auto configured =
      answer<inference::ModelConfigResponse>(path("ModelConfig").c_str(), config).config();
  EXPECT_EQ(configured.max_batch_size(), 8);
  EXPECT_EQ(configured.input(0).dims_size(), 1);
  EXPECT_EQ(configured.input(0).data_type(), inference::TYPE_FP32);
  (void)answer<inference::ModelInferResponse>(kInfer, rows({1, 2, 3, 4}));
  const auto stats = answer<inference::ModelStatisticsResponse>(
      path("ModelStatistics").c_str(), inference::ModelStatisticsRequest());
  EXPECT_EQ(stats.model_stats(0).inference_count(), 2u);
  EXPECT_EQ(stats.model_stats(0).inference_stats().compute_infer().ns(), 2u);
  EXPECT_EQ(code(path("LogSettings").c_str(), inference::LogSettingsRequest()), 0);
  EXPECT_EQ(code(path("TraceSetting").c_str(), inference::TraceSettingRequest()), 0);
  EXPECT_EQ(
      code(path("CudaSharedMemoryStatus").c_str(), inference::CudaSharedMemoryStatusRequest()), 0);
  EXPECT_EQ(
      code(path("CudaSharedMemoryRegister").c_str(), inference::CudaSharedMemoryRegisterRequest()),
      12);
  EXPECT_EQ(
      code(path("SystemSharedMemoryStatus").c_str(), inference::SystemSharedMemoryStatusRequest()),
      7);
}

TEST_F(GrpcCallsTest, TheRepositoryIsTheOperatorsUnlessTheOptionsSayOtherwise) {
  constexpr const char* kIndex = "/inference.GRPCInferenceService/RepositoryIndex";
  constexpr const char* kLoad = "/inference.GRPCInferenceService/RepositoryModelLoad";
  constexpr const char* kUnload = "/inference.GRPCInferenceService/RepositoryModelUnload";
  const auto index =
      answer<inference::RepositoryIndexResponse>(kIndex, inference::RepositoryIndexRequest());
  EXPECT_EQ(index.models(0).state(), "READY");
  inference::RepositoryModelLoadRequest load;
  load.set_model_name("m");
  inference::RepositoryModelUnloadRequest unload;
  unload.set_model_name("m");
  EXPECT_EQ(code(kLoad, load), 7);
  EXPECT_EQ(code(kUnload, unload), 7);
  server.context.options.allow_repository_control = true;
  EXPECT_EQ(code(kUnload, unload), 0);
  EXPECT_EQ(code(kInfer, rows({1, 2})), 14);
  EXPECT_EQ(code(kLoad, load), 0);
  EXPECT_EQ(code(kInfer, rows({1, 2})), 0);
  (*load.mutable_parameters())["config"].set_string_param("{}");
  EXPECT_EQ(code(kLoad, load), 3);
}

TEST_F(GrpcCallsTest, PredictOfTensorFlowServing) {
  tensorflow::serving::PredictRequest request;
  request.mutable_model_spec()->set_name("m");
  request.mutable_model_spec()->mutable_version()->set_value(1);
  auto& x = (*request.mutable_inputs())["x"];
  x.set_dtype(tensorflow::DT_FLOAT);
  x.mutable_tensor_shape()->add_dim()->set_size(1);
  x.mutable_tensor_shape()->add_dim()->set_size(2);
  x.add_float_val(1);
  x.add_float_val(2);
  const auto got = answer<tensorflow::serving::PredictResponse>(kPredict, request);
  const auto& y = got.outputs().at("y");
  ASSERT_EQ(y.float_val_size(), 2);
  EXPECT_EQ(y.float_val(1), 4);
  EXPECT_EQ(y.tensor_shape().dim(1).size(), 2);
  EXPECT_EQ(got.model_spec().version().value(), 1);
  EXPECT_EQ(got.model_spec().signature_name(), "serving_default");
  request.mutable_model_spec()->mutable_version()->set_value(2);
  EXPECT_EQ(code(kPredict, request), 5);
  request.mutable_model_spec()->set_version_label("stable");
  EXPECT_EQ(code(kPredict, request), 5);
  request.mutable_model_spec()->clear_version_choice();
  request.mutable_model_spec()->set_signature_name("other");
  EXPECT_EQ(code(kPredict, request), 3);

  tensorflow::serving::GetModelStatusRequest status;
  status.mutable_model_spec()->set_name("m");
  constexpr const char* kStatus = "/tensorflow.serving.ModelService/GetModelStatus";
  EXPECT_EQ(answer<tensorflow::serving::GetModelStatusResponse>(kStatus, status)
                .model_version_status(0)
                .state(),
            tensorflow::serving::ModelVersionStatus::AVAILABLE);
  status.mutable_model_spec()->set_name("none");
  EXPECT_EQ(code(kStatus, status), 5);
  tensorflow::serving::GetModelMetadataRequest metadata;
  metadata.mutable_model_spec()->set_name("m");
  metadata.add_metadata_field("signature_def");
  const auto about = answer<tensorflow::serving::GetModelMetadataResponse>(
      "/tensorflow.serving.PredictionService/GetModelMetadata", metadata);
  tensorflow::serving::SignatureDefMap signatures;
  ASSERT_TRUE(signatures.ParseFromString(about.metadata().at("signature_def").value()));
  const auto& signature = signatures.signature_def().at("serving_default");
  EXPECT_EQ(signature.inputs().at("x").dtype(), tensorflow::DT_FLOAT);
  EXPECT_EQ(signature.inputs().at("x").tensor_shape().dim(0).size(), -1);
}

TEST_F(GrpcCallsTest, HealthFollowsTheModels) {
  constexpr const char* kCheck = "/grpc.health.v1.Health/Check";
  grpc::health::v1::HealthCheckRequest request;
  using Response = grpc::health::v1::HealthCheckResponse;
  EXPECT_EQ(answer<Response>(kCheck, request).status(), Response::SERVING);
  request.set_service("none");
  EXPECT_EQ(code(kCheck, request), 5);
  request.set_service("inference.GRPCInferenceService");
  const auto watch = ask("/grpc.health.v1.Health/Watch", request);
  ASSERT_TRUE(watch->look);
  watch->look();
  EXPECT_EQ(watch->sent.size(), 1u) << "nothing has changed";
  server.admission.close();
  watch->look();
  ASSERT_EQ(watch->sent.size(), 2u);
  Response last;
  ASSERT_TRUE(last.ParseFromString(watch->sent[1]));
  EXPECT_EQ(last.status(), Response::NOT_SERVING);
}

TEST(Methods, EveryPathOnce) {
  std::set<std::string> paths;
  for (const Method& method : methods()) paths.insert(method.path);
  EXPECT_EQ(paths.size(), methods().size());
  EXPECT_EQ(find_method("/inference.GRPCInferenceService/modelinfer"), nullptr);
  EXPECT_EQ(find_method(""), nullptr);
}

TEST(GrpcMetrics, CountsByMethodAndCode) {
  Metrics metrics;
  GrpcMetrics counted(metrics);
  counted.observe("/a/B", 0, 0.01);
  counted.observe("/a/B", 14, 0.01);
  counted.observe("/a/B", 14, 0.01);
  const std::string text = metrics.expose();
  EXPECT_NE(text.find("grpc_requests_total{code=\"UNAVAILABLE\",method=\"/a/B\"} 2"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("grpc_request_duration_seconds_count{method=\"/a/B\"} 3"), std::string::npos);
}

TEST_F(GrpcCallsTest, TheServerTakesAFreePortAndLetsGoOfIt) {
  auto first = make_grpc_server({}, server.context, server.workers);
  ASSERT_TRUE(first->start());
  ASSERT_GT(first->port(), 0);
  auto second = make_grpc_server({.port = first->port()}, server.context, server.workers);
  const Status taken = second->start();
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("is the port taken?"), std::string::npos);
  first->stop(std::chrono::milliseconds(0));
  EXPECT_TRUE(second->start());
}

}  // namespace
}  // namespace millrace::api
