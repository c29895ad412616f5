#include "backends/openvino/ov_strings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <openvino/opsets/opset15.hpp>
#include <span>

#include "backends/openvino/openvino_model.h"

namespace millrace::backends {
namespace {

namespace op = ov::opset15;
using Texts = std::vector<std::string>;

const std::string kLong(100, 'x');

std::vector<std::byte> bytes_of(const Texts& texts) {
  std::vector<std::byte> out;
  for (const std::string& text : texts) {
    const auto length = static_cast<std::uint32_t>(text.size());
    const auto head = std::as_bytes(std::span(&length, 1)), body = std::as_bytes(std::span(text));
    out.insert(out.end(), head.begin(), head.end());
    out.insert(out.end(), body.begin(), body.end());
  }
  return out;
}

Texts texts_of(std::span<const std::byte> data) {
  Texts texts;
  while (!data.empty()) {
    std::uint32_t length = 0;
    std::memcpy(&length, data.data(), sizeof length);
    data = data.subspan(sizeof length);
    texts.emplace_back(reinterpret_cast<const char*>(data.data()), length);
    data = data.subspan(length);
  }
  return texts;
}

std::shared_ptr<op::Parameter> input(ov::element::Type type, const ov::PartialShape& shape,
                                     const char* name = "x") {
  auto made = std::make_shared<op::Parameter>(type, shape);
  made->set_friendly_name(name);
  made->output(0).set_names({name});
  return made;
}

std::shared_ptr<op::Constant> constant(const Texts& texts) {
  return op::Constant::create(ov::element::string, {texts.size()}, texts);
}

std::shared_ptr<ov::Model> graph_of(const ov::Output<ov::Node>& y, const ov::ParameterVector& xs) {
  y.get_tensor().set_names({"y"});
  return std::make_shared<ov::Model>(ov::OutputVector{y}, xs);
}

// The graph as it is served, or an error. It has one output.
class StringsTest : public testing::Test {
 protected:
  std::string load(const std::shared_ptr<ov::Model>& graph) {
    auto codes = StringCodes::encode(*graph);
    if (!codes) return codes.error().message;
    is_coded = *codes != nullptr;
    ModelDescription description;
    for (const auto& port : graph->inputs()) {
      const bool is_text = port.get_element_type() == ov::element::string;
      description.inputs.push_back({.name = port.get_any_name(),
                                    .dtype = is_text ? DType::bytes : DType::i64,
                                    .shape = Shape{-1}});
    }
    description.outputs.push_back({.name = "y", .dtype = DType::i32, .shape = Shape{-1}});
    if (*codes) (*codes)->describe(description);
    output_type = description.outputs[0].dtype;
    const auto core = std::make_shared<ov::Core>();
    model = std::make_unique<OpenvinoModel>(core, compile(*core, graph, "CPU"),
                                            std::move(description), *std::move(codes));
    return "loaded";
  }
  Result<TensorResult> infer(std::vector<InputTensor> inputs) {
    std::promise<Result<TensorResult>> promise;
    auto future = promise.get_future();
    model->infer({.inputs = std::move(inputs)},
                 [&](Result<TensorResult> result) { promise.set_value(std::move(result)); });
    return future.get();
  }
  Texts ask(const Texts& texts) {
    const auto bytes = bytes_of(texts);
    const auto result =
        infer({{.shape = Shape{static_cast<std::int64_t>(texts.size())}, .parts = {bytes}}});
    return result ? texts_of(result->outputs[0].data) : Texts{result.error().message};
  }

  std::unique_ptr<OpenvinoModel> model;
  bool is_coded = false;
  DType output_type = DType::f32;
};

TEST_F(StringsTest, AreHandedThrough) {
  const auto x = input(ov::element::string, {-1});
  ASSERT_EQ(load(graph_of(std::make_shared<op::Reshape>(
                              x, op::Constant::create(ov::element::i64, {1}, {-1}), false),
                          {x})),
            "loaded");
  EXPECT_EQ(output_type, DType::bytes);
  for (int i = 0; i < 5; ++i) {
    for (const Texts& texts :
         {Texts{"a", "", kLong, "a"}, Texts{std::string("\xff\0\x01", 3)}, Texts{}}) {
      EXPECT_EQ(ask(texts), texts);
    }
  }
}

TEST_F(StringsTest, MergedRequestsAreOne) {
  const auto x = input(ov::element::string, {-1});
  ASSERT_EQ(load(graph_of(x, {x})), "loaded");
  const auto first = bytes_of({"one", kLong}), second = bytes_of({"two", "one"});
  const auto result = infer({{.shape = Shape{4}, .parts = {first, second}}});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(texts_of(result->outputs[0].data), (Texts{"one", kLong, "two", "one"}));
}

TEST_F(StringsTest, LabelsAreGathered) {
  const auto x = input(ov::element::i64, {-1});
  const auto labels = std::make_shared<op::Gather>(constant({"cat", kLong, ""}), x,
                                                   op::Constant::create(ov::element::i64, {}, {0}));
  ASSERT_EQ(load(graph_of(labels, {x})), "loaded");
  const std::int64_t which[] = {1, 0, 2, 1};
  const auto result = infer({{.shape = Shape{4}, .parts = {std::as_bytes(std::span(which))}}});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(texts_of(result->outputs[0].data), (Texts{kLong, "cat", "", kLong}));
}

TEST_F(StringsTest, AreComparedByWhatTheyAre) {
  const auto x = input(ov::element::string, {-1});
  const auto same = std::make_shared<op::Equal>(x, constant({"cat"}));
  const auto chosen = std::make_shared<op::Select>(same, constant({"yes"}), x);
  ASSERT_EQ(load(graph_of(chosen, {x})), "loaded");
  EXPECT_EQ(ask({"cat", "cats", "yes", ""}), (Texts{"yes", "cats", "yes", ""}));
}

TEST_F(StringsTest, MalformedOnesAreRefused) {
  const auto x = input(ov::element::string, {-1});
  ASSERT_EQ(load(graph_of(x, {x})), "loaded");
  const auto good = bytes_of({"one", "two"});
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto result = infer({{.shape = Shape{2}, .parts = {std::span(good).first(size)}}});
    EXPECT_FALSE(result) << size;
  }
  EXPECT_FALSE(infer({{.shape = Shape{1}, .parts = {good}}}));
  EXPECT_EQ(ask({"one"}), Texts{"one"}) << "and it goes on";
}

TEST_F(StringsTest, FewCodesMustNotBecomeManyBytes) {
  const auto x = input(ov::element::string, {-1});
  const auto many =
      std::make_shared<op::Tile>(x, op::Constant::create(ov::element::i64, {1}, {5000}));
  ASSERT_EQ(load(graph_of(many, {x})), "loaded");
  EXPECT_EQ(ask({"a"}).size(), 5000u);
  EXPECT_EQ(ask({std::string(1 << 20, 'b')}), Texts{"an output's strings take too much memory"});
  EXPECT_EQ(ask({"a"}).size(), 5000u);
}

// The characters of inputs can be computed with; new strings cannot be given back.
TEST_F(StringsTest, WhatMakesStringsIsRefused) {
  const auto x = input(ov::element::string, {-1});
  const auto apart = std::make_shared<op::StringTensorUnpack>(x);
  ASSERT_EQ(load(graph_of(apart->output(1), {x})), "loaded");
  EXPECT_FALSE(is_coded);
  const auto bytes = bytes_of({"abc", kLong});
  const auto result = infer({{.shape = Shape{2}, .parts = {bytes}}});
  ASSERT_TRUE(result) << result.error().message;
  std::int32_t ends[2];
  std::memcpy(ends, result->outputs[0].data.data(), sizeof ends);
  EXPECT_EQ(ends[1], 103);

  const auto again =
      std::make_shared<op::StringTensorPack>(apart->output(0), apart->output(1), apart->output(2));
  const std::string refused = load(graph_of(again, {x}));
  EXPECT_TRUE(refused.starts_with("output 'y' is of strings, and the graph does StringTensor"))
      << refused;
  const auto of_constants = std::make_shared<op::StringTensorUnpack>(constant({"a"}));
  const auto number = input(ov::element::i32, {-1});
  const std::string held =
      load(graph_of(std::make_shared<op::Add>(number, of_constants->output(0)), {number}));
  EXPECT_TRUE(held.starts_with("it does StringTensorUnpack to strings")) << held;
}

}  // namespace
}  // namespace millrace::backends
