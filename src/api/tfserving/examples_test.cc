#include "api/tfserving/examples.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "api/base64.h"
#include "api/fake_server.h"
#include "api/kserve/tensor_json.h"
#include "api/tfserving/feature_column.h"
#include "api/tfserving/feature_input.h"
#include "api/tfserving/request_inputs.h"
#include "api/tfserving/results.h"
#include "base/wire_reader.h"
#include "serving/fake_tensor_model.h"

namespace millrace::api {
namespace {

std::string field(std::uint32_t number, const std::string& bytes) {
  std::string out;
  append_field(out, number, bytes);
  return out;
}
std::string bytes_of(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(float)};
}
// An entry of the map; `kind`: 1 bytes, 2 floats, 3 integers.
std::string feature(const std::string& key, std::uint32_t kind, const std::string& list) {
  return field(1, field(1, key) + field(2, field(kind, list)));
}
std::string floats(const std::string& key, std::initializer_list<float> values) {
  return feature(key, 2, field(1, bytes_of(values)));
}
std::string example(const std::string& features) {
  return field(1, features);
}

template <class T>
std::vector<T> values(const serving::NamedTensor& tensor) {
  std::vector<T> out(tensor.data.size() / sizeof(T));
  std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}
std::vector<std::byte> raw(std::initializer_list<float> values) {
  const auto bytes = std::as_bytes(std::span(std::data(values), values.size()));
  return {bytes.begin(), bytes.end()};
}

// A model that clients send examples of these features to.
class ExamplesTest : public testing::Test {
 protected:
  using Dims = std::vector<std::int64_t>;

  serving::TensorRequest request() { return {.model = *server.store.find("m")}; }
  Status read(const SerialisedExamples& from, serving::TensorRequest& into) {
    return read_examples(from, into);
  }
  std::string refusal(const std::string& one) {
    auto into = request();
    const Status read = read_examples({.examples = {one}}, into);
    return read ? "none" : read.error().message + " (" + read.error().param + ")";
  }

  FakeServer server{
      {}, [](const ModelSpec&, serving::FakeServable& servable) -> Status {
        servable.tensors = std::make_unique<serving::FakeTensorModel>();
        ModelDescription& d = servable.description;
        d = serving::fake_tensor_description(8);
        d.inputs = {{.name = "x", .shape = Shape{-1, 2}},
                    {.name = "n", .dtype = DType::i64, .shape = Shape{-1}},
                    {.name = "v", .shape = Shape{-1, -1}},
                    {.name = "s", .dtype = DType::bytes, .shape = Shape{-1, 1}}};
        d.examples.emplace();
        d.examples->input = {.name = "inputs", .dtype = DType::bytes, .shape = Shape{-1}};
        d.examples->features = {{.name = "x", .default_value = raw({0.5f, 1.5f})},
                                {.name = "n"},
                                {.name = "v", .default_value = raw({-1}), .any_length = true},
                                {.name = "s", .default_value = std::vector<std::byte>(4)}};
        return {};
      }};
};

TEST_F(ExamplesTest, FeaturesBecomeInputs) {
  const std::string first =
      example(floats("x", {1, 2}) + feature("n", 3, field(1, "\xac\x02")) + floats("v", {3}) +
              feature("s", 1, field(1, "text")) + feature("other", 1, field(1, "ignored")));
  // Values may be packed or not; a feature without a list is none; of two the later counts.
  const std::string second =
      example(feature("x", 2, "\x0d" + bytes_of({7}) + "\x0d" + bytes_of({8})) +
              feature("n", 3, "\x08\x05") + floats("v", {1}) + floats("v", {4, 5}) +
              field(1, field(1, "v") + field(2, "")));
  const std::string third =
      example(feature("n", 3, field(1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
  auto into = request();
  const Status done = read({.examples = {first, second, third}}, into);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(into.inputs.size(), 4u);
  EXPECT_EQ(into.inputs[0].dims, (Dims{3, 2}));
  EXPECT_EQ(values<float>(into.inputs[0]), (std::vector<float>{1, 2, 7, 8, 0.5f, 1.5f}));
  EXPECT_EQ(into.inputs[1].dims, (Dims{3}));
  EXPECT_EQ(values<std::int64_t>(into.inputs[1]), (std::vector<std::int64_t>{300, 5, -1}));
  EXPECT_EQ(into.inputs[2].dims, (Dims{3, 2})) << "filled up to the longest";
  EXPECT_EQ(values<float>(into.inputs[2]), (std::vector<float>{3, -1, 4, 5, -1, -1}));
  EXPECT_EQ(into.inputs[3].dims, (Dims{3, 1}));
  EXPECT_EQ(bytes_elements(into.inputs[3].data), (std::vector<std::string_view>{"text", "", ""}));
}

TEST_F(ExamplesTest, AContextIsInEachUnlessItHasItsOwn) {
  const std::string context = example(floats("x", {1, 1}) + feature("n", 3, "\x08\x09"));
  const std::string own = example(floats("x", {2, 2}));
  auto into = request();
  ASSERT_TRUE(read({.examples = {own, ""}, .context = context}, into));
  EXPECT_EQ(values<float>(into.inputs[0]), (std::vector<float>{2, 2, 1, 1}));
  EXPECT_EQ(values<std::int64_t>(into.inputs[1]), (std::vector<std::int64_t>{9, 9}));
}

TEST_F(ExamplesTest, RefusalsNameTheFeature) {
  const std::string n = feature("n", 3, "\x08\x01");
  EXPECT_EQ(refusal(example(n)), "none");
  EXPECT_EQ(refusal(""), "example 0: input 'n' is missing in one of 'examples' (n)");
  EXPECT_EQ(refusal(example(n + feature("x", 3, "\x08\x01"))),
            "example 0: input 'x' has integers, but the model takes FP32 (x)");
  EXPECT_EQ(refusal(example(n + feature("x", 2, field(1, "123")))),
            "example 0: input 'x' is malformed, or has a value that is no FP32 (x)");
  EXPECT_EQ(refusal("\x0a\x05"), "example 0: the bytes are no tf.Example (examples)");
  EXPECT_EQ(refusal("\x08\x05"), "example 0: the bytes are no tf.Example (examples)");
  auto into = request();
  EXPECT_FALSE(read({}, into));
  const std::string two = example(n + floats("x", {1, 2})), one = example(n + floats("x", {1}));
  const Status uneven = read({.examples = {two, one}}, into);
  ASSERT_FALSE(uneven);
  EXPECT_EQ(uneven.error().message,
            "example 1: input 'x': each example must have the same number of values");
}

// Few bytes on the wire must not become many in memory.
TEST_F(ExamplesTest, WhatTheyBecomeIsBounded) {
  const std::string n = example(feature("n", 3, "\x08\x01"));
  std::string wide;
  wide.resize(4 << 20);
  const std::string longest =
      example(feature("n", 3, "\x08\x01") + feature("v", 2, field(1, wide)));
  auto into = request();
  std::vector<std::string_view> examples(100, n);
  examples.push_back(longest);
  const Status filled = read({.examples = examples}, into);
  ASSERT_FALSE(filled);
  EXPECT_EQ(filled.error().kind, ErrorKind::too_large);
  examples.assign(kMaxExamples + 1, n);
  const Status many = read({.examples = examples}, into);
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().kind, ErrorKind::too_large);
}

TEST_F(ExamplesTest, DamagedOnesAreRefusedOrRead) {
  const std::string good = example(floats("x", {1, 2}) + feature("n", 3, field(1, "\xac\x02")) +
                                   floats("v", {3}) + feature("s", 1, field(1, "text")));
  std::mt19937 random(11);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int round = 0; round < 20; ++round) {
      std::string damaged = good;
      damaged[i] = static_cast<char>(random());
      auto into = request();
      (void)read({.examples = {good, damaged}}, into);
      (void)read({.examples = {std::string_view(good).substr(0, i)}, .context = damaged}, into);
    }
  }
}

TEST_F(ExamplesTest, StringsOfPredictAreExamples) {
  const std::string one = example(floats("x", {1, 2}) + feature("n", 3, "\x08\x03"));
  std::vector<std::byte> strings;
  append_bytes_element(strings, one);
  append_bytes_element(strings, one);
  const auto owner = std::make_shared<int>();
  auto into = request();
  into.owner = owner;
  into.inputs = {{.name = "inputs", .dtype = DType::bytes, .dims = {2}, .data = strings}};
  ASSERT_TRUE(expand_examples(into));
  ASSERT_EQ(into.inputs.size(), 4u);
  EXPECT_EQ(values<float>(into.inputs[0]), (std::vector<float>{1, 2, 1, 2}));
  EXPECT_EQ(owner.use_count(), 1) << "what was sent is not kept";

  into.inputs = {{.name = "inputs", .dtype = DType::bytes, .dims = {3}, .data = strings}};
  EXPECT_FALSE(expand_examples(into)) << "two strings";
  into.inputs = {{.name = "inputs", .dtype = DType::bytes, .dims = {2, 1}, .data = strings}};
  EXPECT_FALSE(expand_examples(into));
  into.inputs = {{.name = "inputs", .dtype = DType::bytes, .dims = {2}, .data = strings},
                 {.name = "x", .dims = {2, 2}}};
  EXPECT_FALSE(expand_examples(into));
  into.inputs = {{.name = "x", .dims = {2, 2}}};
  EXPECT_TRUE(expand_examples(into)) << "features by name";
  EXPECT_EQ(into.inputs.size(), 1u);
}

TEST_F(ExamplesTest, OverRest) {
  const auto ask = [&](const char* verb, const std::string& body) {
    return server.post((std::string("/v1/models/m:") + verb).c_str(), body);
  };
  std::string encoded;
  append_base64(encoded, example(floats("x", {1, 2}) + feature("n", 3, "\x08\x03")));
  const std::string b64 = R"({"b64":")" + encoded + "\"}";
  // The model doubles "x".
  const char* rows = R"({"predictions":[[2.0,4.0],[2.0,4.0]]})";
  EXPECT_EQ(ask("predict", R"({"instances":[)" + b64 + "," + b64 + "]}").body, rows);
  EXPECT_EQ(
      ask("predict", R"({"instances":[{"inputs":)" + b64 + R"(},{"inputs":)" + b64 + "}]}").body,
      rows);
  const char* columns = R"({"outputs":[[2.0,4.0]]})";
  EXPECT_EQ(ask("predict", R"({"inputs":[)" + b64 + "]}").body, columns);
  EXPECT_EQ(ask("predict", R"({"inputs":{"inputs":[)" + b64 + "]}}").body, columns);
  const Answer wrong = ask("predict", R"({"instances":["no example"]})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_NE(wrong.body.find("example 0: the bytes are no tf.Example"), std::string::npos);
  // Of JSON examples: defaults, and what the parser in the file would leave out.
  EXPECT_EQ(
      ask("classify", R"({"examples":[{"n":1,"more":"ignored"},{"n":[1],"x":[3,4],"v":[1,2]}]})")
          .body,
      R"({"results":[[["",1.0],["",3.0]],[["",6.0],["",8.0]]]})");
  const Answer missing = ask("classify", R"({"examples":[{"x":[1,2]}]})");
  EXPECT_EQ(missing.status, 400);
  EXPECT_NE(missing.body.find("'n' is missing"), std::string::npos);
  const Answer about = server.ask(FakeServer::request("GET", "/v1/models/m/metadata"));
  EXPECT_NE(about.body.find(R"("inputs":{"inputs":{"dtype":"DT_STRING")"), std::string::npos)
      << "as the file has them: " << about.body;
}

// A model of a sparse feature of text and two ragged ones; of "q" it needs the splits alone.
class FeatureListsTest : public testing::Test {
 protected:
  using Dims = std::vector<std::int64_t>;
  using Kind = FeatureSpec::Kind;

  const serving::NamedTensor& input(const std::string& name) {
    const auto found = std::ranges::find(request.inputs, name, &serving::NamedTensor::name);
    EXPECT_NE(found, request.inputs.end()) << name;
    return found == request.inputs.end() ? none : *found;
  }
  Status read(std::vector<std::string_view> examples) {
    request = {.model = *server.store.find("m")};
    return read_examples({.examples = std::move(examples)}, request);
  }

  FakeServer server{
      {}, [](const ModelSpec&, serving::FakeServable& servable) -> Status {
        servable.tensors = std::make_unique<serving::FakeTensorModel>();
        ModelDescription& d = servable.description;
        d = serving::fake_tensor_description(0);
        d.inputs = {{.name = "s/indices", .dtype = DType::i64, .shape = Shape{-1, 2}},
                    {.name = "s/values", .dtype = DType::bytes, .shape = Shape{-1}},
                    {.name = "s/shape", .dtype = DType::i64, .shape = Shape{2}},
                    {.name = "r/values", .dtype = DType::f32, .shape = Shape{-1}},
                    {.name = "r/row_splits", .dtype = DType::i32, .shape = Shape{-1}},
                    {.name = "q/row_splits", .dtype = DType::i64, .shape = Shape{-1}}};
        d.max_batch_size = 0;
        d.examples.emplace();
        d.examples->input = {.name = "inputs", .dtype = DType::bytes, .shape = Shape{-1}};
        d.examples->features = {{.name = "s", .kind = Kind::sparse, .dtype = DType::bytes},
                                {.name = "r", .kind = Kind::ragged, .dtype = DType::f32},
                                {.name = "q", .kind = Kind::ragged, .dtype = DType::i64}};
        return {};
      }};
  serving::TensorRequest request;
  const serving::NamedTensor none{};
};

TEST_F(FeatureListsTest, AreTheirParts) {
  const std::string first = example(feature("s", 1, field(1, "one") + field(1, "")) +
                                    floats("r", {1, 2}) + feature("q", 3, field(1, "\x05\x06")));
  const std::string second = example(feature("s", 1, ""));
  const std::string third = example(feature("s", 1, field(1, "three")) + floats("r", {3}) +
                                    field(1, field(1, "q") + field(2, "")));
  const Status done = read({first, second, third});
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(request.inputs.size(), 6u);
  using Numbers = std::vector<std::int64_t>;
  EXPECT_EQ(input("s/indices").dims, (Dims{3, 2}));
  EXPECT_EQ(values<std::int64_t>(input("s/indices")), (Numbers{0, 0, 0, 1, 2, 0}));
  EXPECT_EQ(input("s/values").dims, Dims{3});
  EXPECT_EQ(bytes_elements(input("s/values").data),
            (std::vector<std::string_view>{"one", "", "three"}));
  EXPECT_EQ(values<std::int64_t>(input("s/shape")), (Numbers{3, 2}));
  EXPECT_EQ(values<float>(input("r/values")), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(values<std::int32_t>(input("r/row_splits")), (std::vector<std::int32_t>{0, 2, 2, 3}));
  EXPECT_EQ(input("q/row_splits").dims, Dims{4});
  EXPECT_EQ(values<std::int64_t>(input("q/row_splits")), (Numbers{0, 2, 2, 2}));

  ASSERT_TRUE(read({""}));
  EXPECT_EQ(input("s/indices").dims, (Dims{0, 2}));
  EXPECT_EQ(values<std::int64_t>(input("s/shape")), (Numbers{1, 0}));
}

TEST_F(FeatureListsTest, RefusalsNameTheFeature) {
  const Status kind = read({example(feature("s", 3, field(1, "\x01")))});
  ASSERT_FALSE(kind);
  EXPECT_EQ(kind.error().param, "s");
  EXPECT_EQ(kind.error().message, "example 0: input 's' has integers, but the model takes BYTES");
  EXPECT_FALSE(read({example(feature("r", 2, field(1, "123")))}));
}

TEST_F(FeatureListsTest, WhatTheyBecomeIsBounded) {
  std::string wide;
  wide.resize(4 << 20);
  const std::string longest = example(feature("q", 3, field(1, wide)));
  std::vector<std::string_view> examples(100, "");
  ASSERT_TRUE(read({longest})) << "each byte is a number";
  examples.push_back(longest);
  const Status dense = read(examples);
  ASSERT_FALSE(dense) << "as a tensor it has 101 rows of four million";
  EXPECT_EQ(dense.error().kind, ErrorKind::too_large);
  EXPECT_EQ(dense.error().param, "q");
  EXPECT_FALSE(read({longest, longest, longest})) << "values and their indices";
}

TEST_F(FeatureListsTest, OfJson) {
  const auto ask = [&](const std::string& examples) {
    return server.post("/v1/models/m:classify", R"({"examples":)" + examples + "}");
  };
  const Answer nested = ask(R"([{"r":[[1.0]]}])");
  EXPECT_EQ(nested.status, 400);
  EXPECT_NE(nested.body.find("feature 'r': each example has a flat list"), std::string::npos)
      << nested.body;
  const Answer wrong = ask(R"([{"q":["text"]}])");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_NE(wrong.body.find("'q'"), std::string::npos) << wrong.body;
}

// Of models that say nothing of examples the inputs are the features.
TEST(PlainExamples, OfEveryType) {
  FakeServer server{{}, [](const ModelSpec&, serving::FakeServable& servable) -> Status {
                      servable.tensors = std::make_unique<serving::FakeTensorModel>();
                      ModelDescription& d = servable.description;
                      d = serving::fake_tensor_description(8);
                      d.inputs = {{.name = "d", .dtype = DType::f64, .shape = Shape{-1, 1}},
                                  {.name = "u", .dtype = DType::u8, .shape = Shape{-1, 2, 2}},
                                  {.name = "b", .dtype = DType::boolean, .shape = Shape{-1}}};
                      return {};
                    }};
  serving::TensorRequest request{.model = *server.store.find("m")};
  const auto ask = [&](const std::string& u, const std::string& b, const std::string& more = "") {
    const std::string one = example(floats("d", {0.5f}) + feature("u", 3, field(1, u)) +
                                    feature("b", 3, field(1, b)) + more);
    return read_examples({.examples = {one}}, request);
  };
  const Status done = ask("\x01\x02\x03\xff\x01", "\x01");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(values<double>(request.inputs[0]), std::vector<double>{0.5});
  EXPECT_EQ(request.inputs[1].dims, (std::vector<std::int64_t>{1, 2, 2})) << "the model's shape";
  EXPECT_EQ(values<std::uint8_t>(request.inputs[1]), (std::vector<std::uint8_t>{1, 2, 3, 255}));
  EXPECT_EQ(request.inputs[2].dims, (std::vector<std::int64_t>{1}));
  EXPECT_FALSE(ask("\x80\x02", "\x01")) << "256 is no byte";
  EXPECT_FALSE(ask("\x01\x02\x03\x04", "\x02")) << "2 is no boolean";
  const Status unknown = ask("\x01\x02\x03\x04", "\x01", floats("z", {1}));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().param, "z");
}

}  // namespace
}  // namespace millrace::api
