#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "api/fake_server.h"
#include "api/kserve/classification.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/infer.h"
#include "api/kserve/infer_request.h"
#include "api/kserve/infer_response.h"
#include "api/kserve/kserve_errors.h"
#include "api/kserve/model_info.h"
#include "api/kserve/repository.h"
#include "api/kserve/tensor_json.h"
#include "serving/fake_tensor_model.h"

namespace millrace::api {
namespace {

template <class T>
std::vector<std::byte> bytes_of(std::initializer_list<T> values) {
  std::vector<std::byte> out(values.size() * sizeof(T));
  std::memcpy(out.data(), std::data(values), out.size());
  return out;
}

Result<std::vector<std::byte>> from_json(const char* text, DType dtype) {
  return tensor_from_json(text, dtype, "input 'x'");
}

std::string to_json(DType dtype, std::span<const std::byte> data) {
  std::string out;
  const Status done = append_tensor_json(out, dtype, data, "output 'y'");
  return done ? out : "refused: " + done.error().message;
}

TEST(Datatypes, EveryNameComesBack) {
  int count = 0;
  for (int i = 0; i <= static_cast<int>(DType::bytes); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_of_name(datatype_name(dtype)), dtype);
    ++count;
  }
  EXPECT_EQ(count, 14);
  EXPECT_STREQ(datatype_name(DType::q4_0), "");
  EXPECT_FALSE(dtype_of_name("fp32"));
  EXPECT_FALSE(dtype_of_name(""));
}

TEST(TensorJson, NumbersOfEveryWidth) {
  EXPECT_EQ(from_json("[1,[-2,[3]]]", DType::i8), bytes_of<std::int8_t>({1, -2, 3}));
  EXPECT_EQ(from_json("[65535]", DType::u16), bytes_of<std::uint16_t>({65535}));
  EXPECT_EQ(from_json("[-9223372036854775808]", DType::i64),
            bytes_of<std::int64_t>({std::numeric_limits<std::int64_t>::min()}));
  EXPECT_EQ(from_json("[18446744073709551615]", DType::u64),
            bytes_of<std::uint64_t>({std::numeric_limits<std::uint64_t>::max()}));
  EXPECT_EQ(from_json("[1,0.5,-2e3,18446744073709551615]", DType::f32),
            bytes_of<float>({1, 0.5f, -2000, 18446744073709551615.0f}));
  EXPECT_EQ(from_json("[0.1]", DType::f64), bytes_of<double>({0.1}));
  EXPECT_EQ(from_json("[true,false]", DType::boolean), bytes_of<std::uint8_t>({1, 0}));
  EXPECT_EQ(from_json("[]", DType::f32), std::vector<std::byte>());
  EXPECT_EQ(to_json(DType::i8, bytes_of<std::int8_t>({1, -2, 3})), "[1,-2,3]");
  EXPECT_EQ(to_json(DType::u64, bytes_of<std::uint64_t>({~0ull})), "[18446744073709551615]");
  EXPECT_EQ(to_json(DType::f32, bytes_of<float>({0.1f, -3})), "[0.1,-3]");
  EXPECT_EQ(to_json(DType::boolean, bytes_of<std::uint8_t>({1, 0})), "[true,false]");
}

TEST(TensorJson, Strings) {
  const auto packed = from_json(R"(["", ["grün", "a\u0000b"]])", DType::bytes);
  ASSERT_TRUE(packed);
  const auto texts = bytes_elements(*packed);
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(texts[1], "grün");
  EXPECT_EQ(texts[2], std::string_view("a\0b", 3));
  EXPECT_EQ(to_json(DType::bytes, *packed), "[\"\",\"grün\",\"a\\u0000b\"]");
}

TEST(TensorJson, RefusesWhatDoesNotFit) {
  const std::pair<const char*, DType> wrong[] = {
      {"[128]", DType::i8},    {"[-1]", DType::u32},
      {"[1.0]", DType::i32},   {"[\"1\"]", DType::f32},
      {"[null]", DType::f32},  {"[1]", DType::bytes},
      {"[1]", DType::boolean}, {"[{}]", DType::f32},
      {"[1e39]", DType::f32},  {"1", DType::f32},
      {"{}", DType::f32},      {"[1]", DType::f16},
      {"[1]", DType::bf16},    {"[9223372036854775808]", DType::i64}};
  for (const auto& [text, dtype] : wrong) {
    const auto refused = from_json(text, dtype);
    ASSERT_FALSE(refused) << text;
    EXPECT_NE(refused.error().message.find("input 'x'"), std::string::npos);
  }
  EXPECT_TRUE(to_json(DType::f32, bytes_of<float>({NAN})).starts_with("refused: output 'y'"));
  EXPECT_TRUE(to_json(DType::f64, bytes_of<double>({INFINITY})).starts_with("refused"));
  EXPECT_TRUE(to_json(DType::f16, bytes_of<std::uint16_t>({0})).starts_with("refused"));
}

std::vector<std::string> classes(DType dtype, Shape shape, const std::vector<std::byte>& data,
                                 bool batched, std::int64_t k) {
  const auto made = classify({.shape = shape, .data = data}, dtype, batched, k);
  if (!made) return {made.error().message};
  std::vector<std::string> out;
  for (const auto text : bytes_elements(made->data)) out.emplace_back(text);
  return out;
}

TEST(Classification, LargestFirstAndTheLowerIndexOfTies) {
  using Strings = std::vector<std::string>;
  const auto scores = bytes_of<float>({1, 5, NAN, 5, -1, 0});
  EXPECT_EQ(classes(DType::f32, Shape{2, 3}, scores, true, 2),
            (Strings{"5.000000:1", "1.000000:0", "5.000000:0", "0.000000:2"}));
  EXPECT_EQ(classes(DType::f32, Shape{2, 3}, scores, false, 2),
            (Strings{"5.000000:1", "5.000000:3"}));
  EXPECT_EQ(classes(DType::i64, Shape{1, 2}, bytes_of<std::int64_t>({-7, 7}), true, 9),
            (Strings{"7:1", "-7:0"}));
  EXPECT_EQ(classes(DType::u8, Shape{1, 2}, bytes_of<std::uint8_t>({200, 7}), true, 1),
            (Strings{"200:0"}));
  // 1.5 and -2 in half precision, and a denormal.
  EXPECT_EQ(classes(DType::f16, Shape{1, 3}, bytes_of<std::uint16_t>({0xC000, 0x3E00, 1}), true, 3),
            (Strings{"1.500000:1", "0.000000:2", "-2.000000:0"}));
  EXPECT_EQ(classes(DType::bf16, Shape{1, 1}, bytes_of<std::uint16_t>({0x3FC0}), true, 1),
            (Strings{"1.500000:0"}));
  EXPECT_TRUE(classes(DType::f32, Shape{0, 3}, {}, true, 2).empty());
}

// One model "m": y = 2 x, rows of two.
class KserveTest : public testing::Test {
 protected:
  Answer infer(const std::string& body, const char* head_length = nullptr) {
    return server.ask(request(body, head_length));
  }
  static net::HttpRequest request(const std::string& body, const char* head_length = nullptr) {
    auto http = FakeServer::request("POST", "/v2/models/m/infer", body);
    if (head_length) http.headers["inference-header-content-length"] = head_length;
    return http;
  }
  std::string error_of(const Answer& answer) {
    EXPECT_EQ(answer.json.as_object().size(), 1u) << answer.body;
    return std::string(answer.json.at("error").as_string());
  }
  static std::string header(const Answer& answer, std::string_view name) {
    for (const auto& [key, value] : answer.whole.headers) {
      if (key == name) return value;
    }
    return "";
  }

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

constexpr const char* kTwoRows =
    R"({"id":"i7","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,4.5]]}]})";

TEST_F(KserveTest, OpenAiClientsAreNotOfferedWhatTheyCannotAsk) {
  const auto get = [&](const char* path) { return server.ask(FakeServer::request("GET", path)); };
  EXPECT_TRUE(get("/v1/models").json.at("data").as_array().empty());
  const Answer named = get("/v1/models/m");  // TensorFlow Serving's answer
  EXPECT_EQ(named.status, 200);
  EXPECT_TRUE(named.json.as_object().contains("model_version_status"));
}

// Long JSON is read by a worker; a short head and a picture's bytes are not worth waking one.
TEST_F(KserveTest, RawTensorsOfAPictureAreTakenWhereTheyCome) {
  const auto taken = [&](std::size_t head, std::size_t tensors) {
    const std::string length = std::to_string(head);
    return is_instant_infer(server.context,
                            request(std::string(head + tensors, ' '), length.c_str()));
  };
  EXPECT_TRUE(taken(200, 150'000));
  EXPECT_TRUE(taken(200, kMostInPlaceBytes - 200));
  EXPECT_FALSE(taken(200, kMostInPlaceBytes)) << "more than a picture";
  EXPECT_FALSE(taken(8'000, 150'000)) << "a long head";
  EXPECT_FALSE(taken(8'000, 0));
  EXPECT_FALSE(is_instant_infer(server.context, request(std::string(8'000, ' '))));
  EXPECT_FALSE(is_instant_infer(server.context, request(std::string(8'000, ' '), "9000")));
}

TEST_F(KserveTest, JsonBothWays) {
  const Answer answer = infer(kTwoRows);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(
      answer.body,
      R"({"model_name":"m","model_version":"1","id":"i7","outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[2,4,6,9]}]})");
  EXPECT_EQ(header(answer, "Inference-Header-Content-Length"), "");
}

TEST_F(KserveTest, BinaryBothWays) {
  const std::string head =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],)"
      R"("outputs":[{"name":"y","parameters":{"binary_data":true}}]})";
  const float row[] = {1, -2};
  const Answer answer = infer(head + std::string(reinterpret_cast<const char*>(row), sizeof row),
                              std::to_string(head.size()).c_str());
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.whole.content_type, "application/octet-stream");
  const auto length = std::stoul(header(answer, "Inference-Header-Content-Length"));
  EXPECT_EQ(
      answer.body.substr(0, length),
      R"({"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]})");
  float doubled[2];
  ASSERT_EQ(answer.body.size() - length, sizeof doubled);
  std::memcpy(doubled, answer.body.data() + length, sizeof doubled);
  EXPECT_EQ(doubled[0], 2);
  EXPECT_EQ(doubled[1], -4);
}

TEST_F(KserveTest, RefusalsAreKservesAndNameTheTensor) {
  const Answer answer = infer(R"({"inputs":[]})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(error_of(answer), "input 'x' is missing");
  EXPECT_EQ(infer("{").status, 400);
  const Answer unknown =
      server.ask(FakeServer::request("POST", "/v2/models/none/infer", R"({"inputs":[]})"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(error_of(unknown), "model 'none': The model does not exist.");
}

TEST_F(KserveTest, ALateRequestIs504AndALeftOneIsStopped) {
  model->automatic = false;
  const auto first = server.send(request(kTwoRows));
  ASSERT_TRUE(model->wait_for_runs(1));
  std::string late = kTwoRows;
  late.insert(1, R"("parameters":{"timeout":2000},)");
  EXPECT_EQ(infer(late).status, 504);
  EXPECT_FALSE(model->runs()[0].stop.stop_requested());
  first->disconnect();
  EXPECT_TRUE(model->runs()[0].stop.stop_requested());
  model->finish_one();
  EXPECT_TRUE(server.admission.wait_until_empty(std::chrono::seconds(5)));
}

TEST_F(KserveTest, TellsOfItself) {
  const auto get = [&](const char* path) { return server.ask(FakeServer::request("GET", path)); };
  EXPECT_EQ(get("/v2").json.at("version").as_string(), "1.2.3");
  EXPECT_EQ(get("/v2/health/ready").status, 200);
  EXPECT_EQ(get("/v2/models/m/ready").status, 200);
  EXPECT_EQ(get("/v2/models/m/versions/2/ready").status, 404);
  EXPECT_EQ(get("/v2/models/m").json.at("inputs").at(0).at("shape").at(0).as_int64(), -1);
  EXPECT_EQ(get("/v2/models/m/config").json.at("max_batch_size").as_int64(), 8);
  (void)infer(kTwoRows);
  const Answer stats = get("/v2/models/m/stats");
  const auto& sums = stats.json.at("model_stats").at(0);
  EXPECT_EQ(sums.at("inference_count").as_int64(), 2);
  EXPECT_EQ(sums.at("inference_stats").at("compute_infer").at("ns").as_int64(), 2);
  EXPECT_EQ(get("/v2/models/stats").json.at("model_stats").as_array().size(), 1u);
}

TEST_F(KserveTest, TheRepositoryIsTheOperators) {
  const auto post = [&](const char* path, const char* body = "") {
    return server.ask(FakeServer::request("POST", path, body), /*to_admin=*/true);
  };
  EXPECT_EQ(server.router.match("POST", "/v2/repository/index").status, 404);
  EXPECT_EQ(post("/v2/repository/index").json.at(0).at("state").as_string(), "READY");
  EXPECT_EQ(post("/v2/repository/models/m/unload").status, 200);
  EXPECT_EQ(infer(kTwoRows).status, 503);
  EXPECT_EQ(post("/v2/repository/models/m/load").status, 200);
  EXPECT_EQ(infer(kTwoRows).status, 200);
  EXPECT_EQ(post("/v2/repository/models/none/load").status, 404);
  EXPECT_EQ(post("/v2/repository/models/m/load", R"({"parameters":{"config":"{}"}})").status, 400);
}

}  // namespace
}  // namespace millrace::api
