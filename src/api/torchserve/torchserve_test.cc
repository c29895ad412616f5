#include <gtest/gtest.h>

#include "api/errors.h"
#include "api/fake_server.h"
#include "api/torchserve/management.h"
#include "api/torchserve/prediction_body.h"
#include "api/torchserve/predictions.h"
#include "api/torchserve/torchserve_errors.h"
#include "serving/fake_tensor_model.h"

namespace millrace::api {
namespace {

// One model "m": y = 2 x, rows of two.
class TorchServeTest : public testing::Test {
 protected:
  Answer predict(const std::string& body, const char* type = "application/json",
                 const char* path = "/predictions/m", const char* method = "POST") {
    auto http = FakeServer::request(method, path, body);
    http.headers["content-type"] = type;
    return server.ask(std::move(http));
  }
  Answer manage(const char* method, const char* path, const char* query = "",
                const char* origin = nullptr) {
    auto http = FakeServer::request(method, path);
    http.query = query;
    if (origin) http.headers["origin"] = origin;
    return server.ask(std::move(http), true);
  }
  static std::string error_of(const Answer& answer) {
    EXPECT_EQ(answer.json.at("code").as_int64(), answer.status) << answer.body;
    EXPECT_FALSE(answer.json.at("type").as_string().empty());
    return std::string(answer.json.at("message").as_string());
  }

  FakeServer server{{.version = "1.2.3"},
                    [](const ModelSpec&, serving::FakeServable& servable) -> Status {
                      servable.tensors = std::make_unique<serving::FakeTensorModel>();
                      servable.description = serving::fake_tensor_description(8);
                      return {};
                    }};
};

TEST_F(TorchServeTest, BodiesOfEveryForm) {
  const char* rows = "[[2.0,4.0],[6.0,9.0]]";
  for (const char* body :
       {"[[1,2],[3,4.5]]", R"({"data":[[1,2],[3,4.5]]})", R"({"instances":[[1,2],[3,4.5]]})",
        R"({"x":[[1,2],[3,4.5]]})", R"({"data":{"x":[[1,2],[3,4.5]]}})",
        R"({"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4.5]}]})"}) {
    EXPECT_EQ(predict(body).body, rows) << body;
  }
  EXPECT_EQ(predict("[1,2]").body, "[2.0,4.0]") << "a row by itself";
  EXPECT_EQ(predict(R"({"data":[NaN,2]})").body, "[NaN,4.0]");
  EXPECT_EQ(predict("[[1,2]]", "application/x-www-form-urlencoded").body, "[[2.0,4.0]]")
      << "what curl -d says";
  EXPECT_EQ(predict("[[1,2]]", "application/json", "/predictions/m/1", "PUT").status, 200);
}

TEST_F(TorchServeTest, RefusesByName) {
  struct Row {
    const char* body;
    const char* says;
    int status = 400;
    const char* type = "application/json";
  };
  const Row rows[] = {{"", "JSON"},
                      {"[[1,2],[3]]", "input 'x'"},
                      {"[[1,2,3]]", "shape [1,3]"},
                      {"[[\"a\",\"b\"]]", "FP32"},
                      {"7", "shape"},
                      {R"({"z":[[1,2]]})", "no input 'z'"},
                      {"{}", "input 'x' is missing"},
                      {R"({"inputs":[{"name":"x","datatype":"FP32"}]})", "shape"},
                      {"GIF89a", "JSON", 415, "image/gif"},
                      {"x", "curl -T", 415, "multipart/form-data; boundary=b"},
                      {"1234", "JSON", 415, "application/octet-stream"}};
  for (const Row& row : rows) {
    const Answer answer = predict(row.body, row.type);
    EXPECT_EQ(answer.status, row.status) << row.body;
    EXPECT_NE(error_of(answer).find(row.says), std::string::npos) << answer.body;
  }
  const Answer none = predict("[[1,2]]", "application/json", "/predictions/none");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.json.at("type").as_string(), "ModelNotFoundException");
  const Answer version = predict("[[1,2]]", "application/json", "/predictions/m/9");
  EXPECT_EQ(version.status, 404);
  EXPECT_EQ(version.json.at("type").as_string(), "ModelVersionNotFoundException");
}

TEST_F(TorchServeTest, Ping) {
  for (const bool to_admin : {false, true}) {
    const Answer ping = server.ask(FakeServer::request("GET", "/ping"), to_admin);
    EXPECT_EQ(ping.status, 200);
    EXPECT_EQ(ping.body, R"({"status":"Healthy"})");
  }
}

TEST_F(TorchServeTest, DescribesModels) {
  const Answer one = manage("GET", "/models/m");
  ASSERT_EQ(one.status, 200) << one.body;
  const json::value& model = one.json.at(0);
  EXPECT_EQ(model.at("modelName").as_string(), "m");
  EXPECT_EQ(model.at("modelVersion").as_string(), "1");
  EXPECT_EQ(model.at("batchSize").as_int64(), 8);
  EXPECT_EQ(model.at("workers").at(0).at("status").as_string(), "READY");
  EXPECT_EQ(manage("GET", "/models/m/1").status, 200);
  EXPECT_EQ(manage("GET", "/models/m/all").status, 200);
  EXPECT_EQ(manage("GET", "/models/m/2").json.at("type").as_string(),
            "ModelVersionNotFoundException");
  EXPECT_EQ(manage("GET", "/models/none").status, 404);
  EXPECT_EQ(manage("GET", "/models").json.at("models").at(0).at("modelName").as_string(), "m");
}

TEST_F(TorchServeTest, LoadsAndUnloadsWhatIsInTheFolder) {
  EXPECT_EQ(manage("DELETE", "/models/m").status, 200);
  EXPECT_EQ(manage("DELETE", "/models/m").status, 404);
  EXPECT_EQ(predict("[[1,2]]").status, 503);
  const Answer loaded = manage("POST", "/models", "initial_workers=1&url=m&synchronous=true");
  EXPECT_EQ(loaded.status, 200) << loaded.body;
  EXPECT_EQ(predict("[[1,2]]").status, 200);
  EXPECT_EQ(manage("POST", "/models", "url=other").status, 404);
  EXPECT_EQ(manage("POST", "/models").status, 400);
  for (const char* url : {"url=https%3A%2F%2Fexample.org%2Fm.mar", "url=m.mar", "url=..%2Fm"}) {
    const Answer refused = manage("POST", "/models", url);
    EXPECT_EQ(refused.status, 400) << url;
    EXPECT_NE(error_of(refused).find("models folder"), std::string::npos);
  }
  const Answer scaled = manage("PUT", "/models/m", "min_worker=4");
  EXPECT_EQ(scaled.status, 200);
  EXPECT_NE(scaled.body.find("no workers"), std::string::npos);
  EXPECT_EQ(manage("PUT", "/models/none", "min_worker=4").status, 404);
  EXPECT_EQ(manage("PUT", "/models/m/1/set-default").status, 200);
  EXPECT_EQ(manage("PUT", "/models/m/3/set-default").status, 404);
}

TEST_F(TorchServeTest, AWebPageIsNoOperator) {
  EXPECT_EQ(manage("DELETE", "/models/m", "", "https://example.org").status, 400);
  EXPECT_EQ(manage("POST", "/models", "url=m", "https://example.org").status, 400);
  EXPECT_EQ(manage("PUT", "/models/m", "", "https://example.org").status, 400);
  EXPECT_EQ(predict("[[1,2]]").status, 200) << "nothing was unloaded";
}

TEST(TorchServeErrors, InTheDialectOfThePath) {
  EXPECT_EQ(error_body_of_status(413, "/predictions/m", "too large"),
            R"({"code":413,"type":"BadRequestException","message":"too large"})");
  EXPECT_EQ(error_body_of_status(413, "/v1/models/m:predict", "too large"),
            R"({"error":"too large"})");
  EXPECT_TRUE(error_body_of_status(404, "/v1/models", "none").contains("\"type\""));
}

// A model whose only input is a string takes any body but JSON as that string.
TEST(TorchServeStrings, ABodyIsOneString) {
  FakeServer server({}, [](const ModelSpec&, serving::FakeServable& servable) -> Status {
    servable.tensors = std::make_unique<serving::FakeTensorModel>();
    servable.description = serving::fake_tensor_description(8);
    servable.description.inputs = {{.name = "text", .dtype = DType::bytes, .shape = Shape{-1, 1}}};
    return {};
  });
  auto http = FakeServer::request("POST", "/predictions/m", "abcd");
  http.headers["content-type"] = "text/plain";
  const auto model = server.tensors.find_model("m");
  ASSERT_TRUE(model);
  serving::TensorRequest request{.model = *model};
  http.path_params.add("model", "m");
  const auto head = parse_prediction(http, request);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_TRUE(head->one_row);
  ASSERT_EQ(request.inputs.size(), 1u);
  EXPECT_EQ(request.inputs[0].dims, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(request.inputs[0].data.size(), 4u + 4);
}

}  // namespace
}  // namespace millrace::api
