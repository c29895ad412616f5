#include "backends/openvino/saved_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "backends/openvino/testing.h"
#include "base/file.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

std::string shape(const std::vector<std::int64_t>& dims) {
  std::string out;
  for (const std::int64_t dim : dims) out += field(2, number(1, dim));
  return out;
}

std::string tensor(const std::string& name, int type, const std::string& its_shape) {
  return field(1, name) + number(2, type) + field(3, its_shape);
}

std::string signature(const std::string& name, const std::string& input,
                      const std::string& its_tensor, const std::string& output,
                      const std::string& method = "tensorflow/serving/predict") {
  std::string definition = field(1, entry(input, its_tensor)) +
                           field(2, entry(output, tensor(output + ":0", 1, shape({-1, 1}))));
  if (!method.empty()) definition += field(3, method);
  return field(5, entry(name, definition));
}

std::string text_constant(const std::string& name, const std::vector<std::string>& texts) {
  std::string values;
  for (const std::string& text : texts) values += field(8, text);
  return node(name, "Const", {}, attribute("value", field(8, values)));
}

// Of the type's field of TensorProto, packed.
std::string constant(const std::string& name, int type, const std::vector<std::int64_t>& dims,
                     std::uint32_t values_field, const std::string& values) {
  const std::string tensor =
      number(1, type) + field(2, shape(dims)) + (values.empty() ? "" : field(values_field, values));
  return node(name, "Const", {}, attribute("value", field(8, tensor)));
}

std::string call(const std::string& name, const std::string& function,
                 const std::vector<std::string>& inputs) {
  return node(name, "StatefulPartitionedCall", inputs,
              attribute("f", field(10, field(1, function))));
}

// Nodes are fields 1 of a graph and 3 of a function.
std::string function(const std::string& name, const std::vector<std::string>& arguments,
                     const std::string& nodes) {
  std::string of_signature = field(1, name), body;
  for (const std::string& argument : arguments) of_signature += field(2, field(1, argument));
  WireReader reader(nodes);
  for (WireReader::Field each; reader.next(each);) body += field(3, std::string(each.bytes));
  return field(1, field(1, of_signature) + body);
}

constexpr const char* kOne = "\x00\x00\x80\x3f";  // 1.0f, little-endian

// Parses "x" ([1], by default 1) and "z" ([2,3], of integers).
std::string parser_nodes(const std::string& examples, int num_sparse = 0) {
  std::string parser =
      attribute("Ndense", number(3, 2)) + attribute("Nsparse", number(3, num_sparse)) +
      attribute("Tdense", field(1, field(6, "\x01\x09"))) +
      attribute("dense_shapes", field(1, field(7, shape({1})) + field(7, shape({2, 3}))));
  std::vector<std::string> inputs = {examples, "names"};
  for (int i = 0; i < num_sparse; ++i) inputs.push_back("sparse_key");
  for (const char* dense : {"key_x", "key_z", "reshaped", "none"}) inputs.push_back(dense);
  return text_constant("key_x", {"x"}) + text_constant("key_z", {"z"}) +
         text_constant("sparse_key", {"s"}) +
         constant("default_x", 1, {}, 5, std::string(kOne, 4)) + constant("none", 9, {0}, 10, "") +
         node("reshaped", "Reshape", {"default_x", "dims"}) +
         node("parse", "ParseExample", inputs, parser);
}

// The same in the second form: one input of all keys.
std::string parser_nodes_v2(const std::string& examples) {
  const std::string parser =
      attribute("num_sparse", number(3, 1)) +
      attribute("Tdense", field(1, number(6, 1) + number(6, 9))) +
      attribute("dense_shapes", field(1, field(7, shape({1})) + field(7, shape({-1}))));
  return text_constant("keys", {"x", "z"}) + text_constant("sparse", {"s"}) +
         constant("default_x", 1, {1}, 5, std::string(kOne, 4)) +
         constant("default_z", 9, {}, 10, "\x07") +
         node("parse/v2", "ParseExampleV2",
              {examples, "names:output:0", "sparse:output:0", "keys:output:0", "ragged:output:0",
               "default_x:output:0", "default_z:output:0"},
              parser);
}

// examples → ParseExample of "x" and "z" → y = x, w = z.
std::string graph_of_examples(int num_sparse = 0) {
  const std::string first = std::to_string(3 * num_sparse);
  const std::string second = std::to_string(3 * num_sparse + 1);
  return node("examples", "Placeholder", {}) + parser_nodes("examples", num_sparse) +
         node("y", "Identity", {"parse:" + first, "^init"}) +
         node("w", "Mul", {"y", "parse:" + second});
}

// The same within two functions.
std::string graph_of_functions() {
  const std::string library =
      function("outer", {"unknown", "inputs"}, call("inner", "inner", {"inputs", "unknown"})) +
      function("inner", {"serialized", "resource"},
               node("same", "Identity", {"serialized"}) + parser_nodes_v2("same:output:0"));
  return node("examples", "Placeholder", {}) + call("y", "outer", {"variable", "examples"}) +
         field(2, library);
}

std::string saved_model(const std::string& graph, const std::string& signatures,
                        const std::string& tag = "serve") {
  return number(1, 1) + field(2, field(1, field(4, tag)) + field(2, graph) + signatures);
}

TEST(SavedModel, SignaturesTheDefaultFirst) {
  const std::string file = saved_model(
      "", signature("another", "a", tensor("in:0", 1, number(3, 1)), "b",
                    "tensorflow/serving/regress") +
              signature("__init", "a", tensor("in:0", 1, ""), "b", "") +
              signature("serving_default", "x", tensor("in:0", 9, shape({-1, 4})), "y"));
  const auto all = read_signatures(file);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2u);
  const Signature& first = all->at(0);
  EXPECT_EQ(first.name, "serving_default");
  EXPECT_EQ(first.method, "tensorflow/serving/predict");
  ASSERT_EQ(first.inputs.size(), 1u);
  EXPECT_EQ(first.inputs[0].name, "x");
  EXPECT_EQ(first.inputs[0].tensor, "in:0");
  EXPECT_EQ(first.inputs[0].type, 9);
  EXPECT_EQ(first.inputs[0].dims, (std::vector<std::int64_t>{-1, 4}));
  EXPECT_EQ(first.outputs[0].tensor, "y:0");
  EXPECT_EQ(all->at(1).name, "another");
  EXPECT_FALSE(all->at(1).inputs[0].dims) << "any rank";
}

TEST(SavedModel, TheGraphForServingCounts) {
  const std::string file =
      saved_model("", signature("for_training", "x", tensor("in:0", 1, ""), "y"), "train") +
      saved_model("", signature("for_serving", "x", tensor("in:0", 1, ""), "y"));
  EXPECT_EQ(read_signatures(file)->at(0).name, "for_serving");
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

TEST(SavedModel, WhatAParserMakesOfExamples) {
  for (const int num_sparse : {0, 2}) {
    const std::string file =
        saved_model(graph_of_examples(num_sparse),
                    signature("one", "inputs", tensor("examples:0", 7, ""), "y"));
    const auto all = read_signatures(file);
    ASSERT_TRUE(all);
    ASSERT_TRUE(all->at(0).parser);
    EXPECT_EQ(all->at(0).inputs[0].name, "inputs") << "as the file has it";
    const ExampleParser& parser = *all->at(0).parser;
    EXPECT_EQ(parser.node, "parse");
    ASSERT_EQ(parser.dense.size(), 2u);
    EXPECT_EQ(parser.dense[0].key, "x");
    EXPECT_EQ(parser.dense[0].dims, (std::vector<std::int64_t>{1}));
    EXPECT_EQ(floats(parser.dense[0].default_value), std::vector<float>{1});
    EXPECT_EQ(parser.dense[1].key, "z");
    EXPECT_EQ(parser.dense[1].type, 9);
    EXPECT_EQ(parser.dense[1].dims, (std::vector<std::int64_t>{2, 3}));
    EXPECT_TRUE(parser.dense[1].default_value.empty());
  }
}

TEST(SavedModel, FeaturesOfAllKinds) {
  const std::string parser = attribute("num_sparse", number(3, 1)) +
                             attribute("sparse_types", field(1, field(6, "\x07"))) +
                             attribute("ragged_value_types", field(1, field(6, "\x01\x09"))) +
                             attribute("ragged_split_types", field(1, field(6, "\x03\x09")));
  const std::string graph =
      node("in", "Placeholder", {}) + text_constant("sparse", {"s"}) + text_constant("dense", {}) +
      text_constant("ragged", {"r", "q"}) +
      node("parse", "ParseExampleV2", {"in", "names", "sparse", "dense", "ragged"}, parser);
  const auto all =
      read_signatures(saved_model(graph, signature("one", "inputs", tensor("in:0", 7, ""), "y")));
  ASSERT_TRUE(all && all->at(0).parser);
  const ExampleParser& found = *all->at(0).parser;
  EXPECT_TRUE(found.dense.empty());
  ASSERT_EQ(found.sparse.size(), 1u);
  EXPECT_EQ(found.sparse[0].key, "s");
  EXPECT_EQ(found.sparse[0].type, 7);
  ASSERT_EQ(found.ragged.size(), 2u);
  EXPECT_EQ(found.ragged[1].key, "q");
  EXPECT_EQ(found.ragged[1].type, 9);
}

TEST(SavedModel, AParserWithinFunctions) {
  const auto all = read_signatures(saved_model(
      graph_of_functions(), signature("one", "inputs", tensor("examples:0", 7, ""), "y") +
                                signature("two", "x", tensor("variable:0", 7, ""), "y")));
  ASSERT_TRUE(all);
  ASSERT_TRUE(all->at(0).parser);
  EXPECT_FALSE(all->at(1).parser);
  const ExampleParser& parser = *all->at(0).parser;
  EXPECT_EQ(parser.node, "parse/v2");
  ASSERT_EQ(parser.dense.size(), 2u);
  EXPECT_EQ(parser.dense[0].key, "x");
  EXPECT_EQ(floats(parser.dense[0].default_value), std::vector<float>{1});
  EXPECT_EQ(parser.dense[1].key, "z");
  EXPECT_EQ(parser.dense[1].dims, (std::vector<std::int64_t>{-1}));
  EXPECT_EQ(parser.dense[1].default_value.size(), 8u) << "one element";
}

TEST(SavedModel, WhatIsParsedIsAListOfStrings) {
  const auto all = read_signatures(saved_model(
      graph_of_examples(), signature("one", "inputs", tensor("examples:0", 1, shape({})), "y")));
  ASSERT_TRUE(all && all->at(0).parser);
  EXPECT_EQ(all->at(0).inputs[0].type, 7) << "not floats, as an old file says";
  EXPECT_FALSE(all->at(0).inputs[0].dims);
}

TEST(SavedModel, FunctionsThatCallThemselvesEnd) {
  const std::string graph =
      node("examples", "Placeholder", {}) + call("y", "f", {"examples"}) +
      field(2, function("f", {"a"},
                        call("g", "f", {"a"}) + call("h", "f", {"a"}) +
                            node("i", "Identity", {"a"}) + node("a", "Identity", {"i"})));
  const auto all = read_signatures(
      saved_model(graph, signature("one", "inputs", tensor("examples:0", 7, ""), "y")));
  ASSERT_TRUE(all);
  EXPECT_FALSE(all->at(0).parser);
}

TEST(SavedModel, ShapesThatASignatureLeavesOutAreTheGraphs) {
  const std::string shapes = attribute("_output_shapes", field(1, field(7, shape({-1, 3}))));
  const std::string file =
      saved_model(node("in", "Placeholder", {}, shapes),
                  signature("one", "x", field(1, "in:0") + number(2, 1), "y") +
                      signature("two", "x", field(1, "in:1") + number(2, 1), "y"));
  const auto all = read_signatures(file);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->at(0).inputs[0].dims, (std::vector<std::int64_t>{-1, 3}));
  EXPECT_FALSE(all->at(1).inputs[0].dims) << "the node has one output";
}

TEST(SavedModel, WithOneSignatureItReadsAsTheDefault) {
  const std::string file = saved_model(
      graph_of_examples(), signature("one", "inputs", tensor("examples:0", 7, ""), "y") +
                               signature("other", "inputs", tensor("in:0", 1, ""), "w"));
  const std::string changed = with_only(file, read_signatures(file)->at(0));
  const auto all = read_signatures(changed);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->at(0).name, "serving_default");
  EXPECT_EQ(all->at(0).inputs[0].name, "inputs");
  EXPECT_EQ(all->at(0).inputs[0].tensor, "examples:0");
  EXPECT_EQ(all->at(0).outputs[0].name, "y");
  EXPECT_NE(changed.find("ParseExample"), std::string::npos) << "the graph stays";
}

TEST(SavedModel, HostileFilesAreRefusedOrEmpty) {
  EXPECT_TRUE(read_signatures("")->empty());
  EXPECT_TRUE(read_signatures(saved_model("", ""))->empty());
  EXPECT_TRUE(read_signatures("no protocol buffers")->empty());
  for (const std::string& graph : {graph_of_examples(1), graph_of_functions()}) {
    const std::string file =
        saved_model(graph, signature("one", "inputs", tensor("examples:0", 7, shape({-1})), "w"));
    std::mt19937 random(7);
    for (std::size_t i = 0; i < file.size(); ++i) {
      (void)read_signatures(std::string_view(file).substr(0, i));
      std::string damaged = file;
      damaged[i] = static_cast<char>(random());
      if (const auto read = read_signatures(damaged); read && !read->empty()) {
        (void)with_only(damaged, read->at(0));
      }
    }
  }
}

TEST(SavedModel, TensorFlowServingsOwnFile) {
  const auto path = weights::shared_data(
      "A_models/tf_serving_testdata/saved_model_half_plus_two_cpu/00000123/saved_model.pb");
  if (path.empty()) GTEST_SKIP() << "needs test data";
  const auto all = read_signatures(*read_file(path, 1 << 20));
  ASSERT_TRUE(all) << all.error().message;
  std::vector<std::string> shown;
  for (const Signature& s : *all) {
    shown.push_back(s.name + ": " + s.inputs[0].name + "=" + s.inputs[0].tensor + " > " +
                    s.outputs[0].name + "=" + s.outputs[0].tensor);
    if (!s.parser) continue;
    shown.back() += " by " + s.parser->node;
    for (const auto& feature : s.parser->dense) {
      shown.back() += " " + feature.key + (feature.default_value.empty() ? "" : "=");
    }
  }
  EXPECT_EQ(
      shown,
      (std::vector<std::string>{
          "serving_default: x=x:0 > y=y:0",
          "classify_x_to_y: inputs=tf_example:0 > scores=y:0 by ParseExample/ParseExample x x2=",
          "regress_x2_to_y3: inputs=x2:0 > outputs=y3:0",
          "regress_x_to_y: inputs=tf_example:0 > outputs=y:0 by ParseExample/ParseExample x x2=",
          "regress_x_to_y2: inputs=tf_example:0 > outputs=y2:0 by ParseExample/ParseExample x "
          "x2="}));
}

}  // namespace
}  // namespace millrace::backends
