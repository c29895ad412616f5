#include <gtest/gtest.h>

#include "api/fake_server.h"
#include "api/kserve/tensor_json.h"
#include "api/tfserving/model_status.h"
#include "api/tfserving/predict.h"
#include "api/tfserving/predict_request.h"
#include "api/tfserving/predict_response.h"
#include "serving/fake_tensor_model.h"

namespace millrace::api {
namespace {

// One model "m": y = 2 x, rows of two.
class TfServingTest : public testing::Test {
 protected:
  Answer predict(const std::string& body, const char* path = "/v1/models/m:predict") {
    return server.post(path, body);
  }
  Answer get(const char* path) { return server.ask(FakeServer::request("GET", path)); }
  static std::string error_of(const Answer& answer) {
    EXPECT_EQ(answer.json.as_object().size(), 1u) << answer.body;
    return std::string(answer.json.at("error").as_string());
  }

  FakeServer server{{.version = "1.2.3"},
                    [](const ModelSpec&, serving::FakeServable& servable) -> Status {
                      servable.tensors = std::make_unique<serving::FakeTensorModel>();
                      servable.description = serving::fake_tensor_description(8);
                      return {};
                    }};
};

TEST_F(TfServingTest, RowsAndColumns) {
  const char* rows = R"({"predictions":[[2.0,4.0],[6.0,9.0]]})";
  EXPECT_EQ(predict(R"({"instances":[[1,2],[3,4.5]]})").body, rows);
  EXPECT_EQ(predict(R"({"instances":[{"x":[1,2]},{"x":[3,4.5]}]})").body, rows);
  EXPECT_EQ(predict(R"({"signature_name":"serving_default","instances":[[1,2],[3,4.5]]})").body,
            rows);
  const char* columns = R"({"outputs":[[2.0,4.0],[6.0,9.0]]})";
  EXPECT_EQ(predict(R"({"inputs":[[1,2],[3,4.5]]})").body, columns);
  EXPECT_EQ(predict(R"({"inputs":{"x":[[1,2],[3,4.5]]}})").body, columns);
  EXPECT_EQ(predict(R"({"instances":[[NaN,Infinity]]})").body,
            R"({"predictions":[[NaN,Infinity]]})");
}

TEST_F(TfServingTest, VersionsAndLabels) {
  const char* body = R"({"instances":[[1,2]]})";
  EXPECT_EQ(predict(body, "/v1/models/m/versions/1:predict").status, 200);
  EXPECT_EQ(predict(body, "/v1/models/m/versions/2:predict").status, 404);
  EXPECT_EQ(predict(body, "/v1/models/m/labels/stable:predict").status, 404);
  const Answer none = predict(body, "/v1/models/none:predict");
  EXPECT_EQ(none.status, 404);
  EXPECT_NE(error_of(none).find("'none'"), std::string::npos);
}

TEST_F(TfServingTest, StatusAndMetadata) {
  const char* available =
      R"({"model_version_status":[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}]})";
  EXPECT_EQ(get("/v1/models/m").body, available);
  EXPECT_EQ(get("/v1/models/m/versions/1").body, available);
  EXPECT_EQ(get("/v1/models/m/versions/7").status, 404);
  EXPECT_EQ(get("/v1/models/m/labels/stable").status, 404);
  EXPECT_EQ(
      get("/v1/models/m/metadata").body,
      R"({"model_spec":{"name":"m","signature_name":"","version":"1"},"metadata":{"signature_def":{"signature_def":{"serving_default":{)"
      R"("inputs":{"x":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"2","name":""}],"unknown_rank":false},"name":"x"}},)"
      R"("outputs":{"y":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"2","name":""}],"unknown_rank":false},"name":"y"}},)"
      R"("method_name":"tensorflow/serving/predict","defaults":{}}}}}})");
  EXPECT_EQ(get("/v1/models/none/metadata").status, 404);
  ASSERT_TRUE(server.store.unload("m"));
  const Answer unloaded = get("/v1/models/m/versions/1");
  EXPECT_EQ(unloaded.status, 200);
  EXPECT_TRUE(unloaded.body.contains("UNLOADING") || unloaded.body.contains("END"))
      << unloaded.body;
}

TEST_F(TfServingTest, RefusesByName) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({})", "neither 'instances' nor 'inputs'"},
      {R"({"instances":[[1,2]],"inputs":[[1,2]]})", "both"},
      {R"({"instances":[]})", "'instances'"},
      {R"({"instances":3})", "'instances'"},
      {R"({"instances":[[1,2],[3]]})", "input 'x'"},
      {R"({"instances":[[1,2],{"x":[1,2]}]})", "input 'x'"},
      {R"({"instances":[{"x":[1,2]},[1,2]]})", "object"},
      {R"({"instances":[{"x":[1,2]},{}]})", "input 'x' is missing"},
      {R"({"instances":[{"x":[1,2],"z":1}]})", "no input 'z'"},
      {R"({"instances":[["a","b"]]})", "FP32"},
      {R"({"instances":[[1,2,3]]})", "shape [1,3]"},
      {R"({"inputs":{"z":[[1,2]]}})", "no input 'z'"},
      {R"({"inputs":{}})", "input 'x' is missing"},
      {R"({"inputs":7})", "shape"},
      {R"({"signature_name":"other","instances":[[1,2]]})", "'other'"},
      {R"({"signature_name":3,"instances":[[1,2]]})", "signature_name"},
      {R"([1])", "object"},
      {R"({"instances":[[1,2)", "JSON"},
      {R"({"instances":[{"b64":"AA=="}]})", "binary"}};
  for (const auto& [body, says] : rows) {
    const Answer answer = predict(body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_NE(error_of(answer).find(says), std::string::npos) << body << ": " << answer.body;
  }
  auto compressed = FakeServer::request("POST", "/v1/models/m:predict", "{}");
  compressed.headers["content-encoding"] = "gzip";
  EXPECT_EQ(server.ask(std::move(compressed)).status, 415);
}

TEST_F(TfServingTest, ClassifyAndRegress) {
  EXPECT_EQ(predict(R"({"examples":[{"x":[1,2]},{"x":[3,4]}]})", "/v1/models/m:classify").body,
            R"({"results":[[["",2.0],["",4.0]],[["",6.0],["",8.0]]]})");
  EXPECT_EQ(predict(R"({"context":{"x":[1,2]},"examples":[{}]})", "/v1/models/m:classify").body,
            R"({"results":[[["",2.0],["",4.0]]]})");
  const Answer twice =
      predict(R"({"context":{"x":[1,2]},"examples":[{"x":[1,2]}]})", "/v1/models/m:classify");
  EXPECT_EQ(twice.status, 400);
  EXPECT_NE(error_of(twice).find("'context'"), std::string::npos);
  EXPECT_EQ(predict(R"({"examples":[]})", "/v1/models/m:classify").status, 400);
  const Answer wide = predict(R"({"examples":[{"x":[1,2]}]})", "/v1/models/m:regress");
  EXPECT_EQ(wide.status, 400) << "two numbers an example";
  EXPECT_NE(error_of(wide).find(":predict"), std::string::npos);
}

ModelDescription described(std::vector<TensorSpec> outputs) {
  ModelDescription d;
  d.outputs = std::move(outputs);
  return d;
}

TEST(TfServingAnswer, SeveralOutputsHaveNames) {
  const float scores[] = {1, 2, 3, 4};
  std::vector<std::byte> images;
  append_bytes_element(images, "foo");
  append_bytes_element(images, "f");
  const ModelDescription model =
      described({{.name = "scores"}, {.name = "image_bytes", .dtype = DType::bytes}});
  serving::TensorAnswer answer;
  answer.outputs = {{.shape = Shape{2, 2}, .data = std::as_bytes(std::span(scores))},
                    {.shape = Shape{2}, .data = images}};
  EXPECT_EQ(
      format_predict(model, {.form = PredictForm::row}, answer)->body,
      R"({"predictions":[{"scores":[1.0,2.0],"image_bytes":{"b64":"Zm9v"}},{"scores":[3.0,4.0],"image_bytes":{"b64":"Zg=="}}]})");
  EXPECT_EQ(
      format_predict(model, {.form = PredictForm::column}, answer)->body,
      R"({"outputs":{"scores":[[1.0,2.0],[3.0,4.0]],"image_bytes":[{"b64":"Zm9v"},{"b64":"Zg=="}]}})");
  answer.outputs[0].shape = Shape{4};
  const auto uneven = format_predict(model, {.form = PredictForm::row}, answer);
  ASSERT_FALSE(uneven);
  EXPECT_NE(uneven.error().message.find("'image_bytes'"), std::string::npos);
  EXPECT_TRUE(format_predict(model, {.form = PredictForm::column}, answer));
}

TEST(TfServingAnswer, LeavesOutTheOnesThatWereAdded) {
  const float values[] = {2.5f, 3, 4.5f};
  serving::TensorAnswer answer;
  answer.outputs = {{.shape = Shape{3, 1}, .data = std::as_bytes(std::span(values))}};
  const ModelDescription model = described({{.name = "y"}});
  EXPECT_EQ(format_predict(model, {.num_added_ones = 1}, answer)->body,
            R"({"predictions":[2.5,3.0,4.5]})");
  EXPECT_EQ(format_predict(model, {}, answer)->body, R"({"predictions":[[2.5],[3.0],[4.5]]})");
  EXPECT_EQ(format_regress(model, answer)->body, R"({"results":[2.5,3.0,4.5]})");
  EXPECT_FALSE(format_predict(described({{.name = "y", .dtype = DType::f16}}), {}, answer));
}

TEST(TfServingAnswer, LabelsOfClasses) {
  const float scores[] = {0.25f, 0.75f};
  std::vector<std::byte> labels;
  append_bytes_element(labels, "cat");
  append_bytes_element(labels, "dog");
  serving::TensorAnswer answer;
  answer.outputs = {{.shape = Shape{1, 2}, .data = labels},
                    {.shape = Shape{1, 2}, .data = std::as_bytes(std::span(scores))}};
  const auto model = described({{.name = "classes", .dtype = DType::bytes}, {.name = "scores"}});
  EXPECT_EQ(format_classify(model, answer)->body, R"({"results":[[["cat",0.25],["dog",0.75]]]})");
  answer.outputs[0].shape = Shape{2};
  EXPECT_FALSE(format_classify(model, answer));
}

// A language model of that name answers OpenAI's clients.
TEST(AnyModel, LanguageModelsAnswerAsOpenAi) {
  FakeServer server;
  const Answer answer = server.ask(FakeServer::request("GET", "/v1/models/m"));
  EXPECT_EQ(answer.json.at("object").as_string(), "model");
  EXPECT_EQ(server.ask(FakeServer::request("GET", "/v1/models/m/metadata")).status, 400);
  const Answer predict = server.post("/v1/models/m:predict", R"({"instances":[1]})");
  EXPECT_EQ(predict.status, 400);
  EXPECT_NE(predict.body.find("does not take tensors"), std::string::npos);
  const Answer none = server.ask(FakeServer::request("GET", "/v1/models/none"));
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.error("code"), "model_not_found") << "OpenAI's form";
}

}  // namespace
}  // namespace millrace::api
