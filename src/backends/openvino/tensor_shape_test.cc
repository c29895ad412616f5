#include "backends/openvino/tensor_shape.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "backends/openvino/graph_def.h"
#include "backends/openvino/saved_model.h"
#include "backends/openvino/tensor_proto.h"
#include "backends/openvino/testing.h"

namespace millrace::backends {
namespace {

using namespace std::string_literals;

std::string size(std::int64_t value) {
  return field(2, number(1, value));
}
std::vector<std::string> malformed_shapes() {
  std::string many;
  for (int i = 0; i < 255; ++i) many += size(1);
  return {"\x12"s,                     // cut off
          "\x12\x05\x08\x01"s,         // a dimension longer than the message
          "\x12\x02\x08\x80"s,         // half a number in a dimension
          "\x10\x05"s,                 // a dimension that is a number
          field(2, field(1, "four")),  // a size that is text
          field(3, "yes"),             // an unknown rank that is text
          "\x07\x00"s,                 // no field
          size(-2),
          size(4) + size(INT64_MIN),
          number(3, 1) + size(4),
          size(4) + number(3, 1),
          many};
}

// As text, since a Result of an optional compares with nothing.
std::string shown(const std::string& shape) {
  const auto read = read_tensor_shape(shape);
  if (!read) return "malformed";
  return *read ? testing::PrintToString(**read) : "any rank";
}

TEST(TensorShape, SizesInOrder) {
  EXPECT_EQ(shown(""), "{}") << "a scalar";
  EXPECT_EQ(shown(size(3) + size(-1) + size(0)), "{ 3, -1, 0 }");
  EXPECT_EQ(shown(field(2, "")), "{ 0 }") << "a size that is not written is 0";
  EXPECT_EQ(shown(field(2, number(1, 4) + field(2, "rows"))), "{ 4 }") << "named";
  EXPECT_EQ(shown(field(2, number(1, 4) + number(1, 5))), "{ 5 }") << "the last counts";
  EXPECT_EQ(shown(number(3, 1)), "any rank");
  EXPECT_EQ(shown(size(2) + number(3, 0)), "{ 2 }");
  EXPECT_EQ(shown(number(3, 1) + number(3, 0) + size(2)), "{ 2 }");
}

TEST(TensorShape, MalformedOnesAreRefused) {
  for (const std::string& shape : malformed_shapes()) {
    const auto read = read_tensor_shape(shape);
    ASSERT_FALSE(read) << testing::PrintToString(shape);
    EXPECT_EQ(read.error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(read.error().message, "the SavedModel has a tensor shape that is malformed");
  }
}

TEST(TensorShape, DamagedOnesAreReadOrRefused) {
  const std::string good = size(3) + field(2, number(1, -1) + field(2, "n")) + number(3, 0);
  std::mt19937 random(5);
  for (std::size_t i = 0; i < good.size(); ++i) {
    (void)read_tensor_shape(std::string_view(good).substr(0, i));
    for (int round = 0; round < 50; ++round) {
      std::string damaged = good;
      damaged[i] = static_cast<char>(random());
      const auto read = read_tensor_shape(damaged);
      if (!read || !*read) continue;
      for (const std::int64_t dim : **read) EXPECT_GE(dim, -1);
    }
  }
}

// A SavedModel with the given shape in one of the places that have any.
enum class Place { signature, graph, dense_shapes, default_value };

std::string file_with(Place where, const std::string& shape) {
  const auto at = [&](Place place, const std::string& other) {
    return place == where ? shape : other;
  };
  const std::string key = field(8, field(8, "x"));
  const std::string value =
      number(1, kTypeFloat) + field(2, at(Place::default_value, size(1))) + field(5, "\0\0\0\0"s);
  const std::string parser =
      attribute("Ndense", number(3, 1)) + attribute("Tdense", field(1, field(6, "\x01"))) +
      attribute("dense_shapes", field(1, field(7, at(Place::dense_shapes, size(1)))));
  const std::string of_input =
      attribute("_output_shapes", field(1, field(7, at(Place::graph, size(-1)))));
  const std::string graph =
      node("in", "Placeholder", {}, of_input) + node("key", "Const", {}, attribute("value", key)) +
      node("default", "Const", {}, attribute("value", field(8, value))) +
      node("parse", "ParseExample", {"in", "names", "key", "default"}, parser);
  std::string tensor = field(1, "in:0") + number(2, kTypeString);
  if (where == Place::signature) tensor += field(3, shape);
  const std::string definition = field(1, entry("inputs", tensor)) +
                                 field(2, entry("y", field(1, "parse:0"))) + field(3, "predict");
  const std::string signatures = field(5, entry("serving_default", definition));
  return field(2, field(1, field(4, "serve")) + field(2, graph) + signatures);
}

TEST(TensorShape, AllPlacesReadItAlike) {
  for (const Place where :
       {Place::signature, Place::graph, Place::dense_shapes, Place::default_value}) {
    const auto good = read_signatures(file_with(where, size(1)));
    ASSERT_TRUE(good) << good.error().message;
    ASSERT_TRUE(good->at(0).parser);
    EXPECT_EQ(good->at(0).parser->dense.at(0).default_value.size(), sizeof(float));
    for (const std::string& shape : malformed_shapes()) {
      const auto read = read_signatures(file_with(where, shape));
      ASSERT_FALSE(read) << static_cast<int>(where) << testing::PrintToString(shape);
      EXPECT_EQ(read.error().message, "the SavedModel has a tensor shape that is malformed");
    }
  }
}

TEST(TensorShape, ConstantsOfOpenSizesHaveNoValues) {
  for (const std::string& shape : {size(-1), number(3, 1), size(INT64_MAX) + size(4), size(2)}) {
    const auto values = values_in(number(1, kTypeFloat) + field(2, shape), kTypeFloat, 1);
    ASSERT_TRUE(values);
    EXPECT_TRUE(values->empty());
  }
}

}  // namespace
}  // namespace millrace::backends
