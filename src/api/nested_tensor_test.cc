#include "api/nested_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "api/base64.h"
#include "api/kserve/tensor_json.h"
#include "api/lenient_json.h"
#include "api/tensor_run.h"
#include "base/check.h"

namespace millrace::api {
namespace {

using Dims = std::vector<std::int64_t>;

TEST(Base64, RfcVectors) {
  const std::pair<const char*, const char*> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : rows) {
    std::string out;
    append_base64(out, plain);
    EXPECT_EQ(out, coded);
    EXPECT_EQ(decode_base64(coded), plain);
  }
  EXPECT_EQ(decode_base64("+/+/"), "\xfb\xff\xbf");
  for (const char* wrong :
       {"Zg", "Zg=", "Zg===", "Z===", "Zh==", "Zm9v\n", "Zm-_", "Z=g=", "===="}) {
    EXPECT_FALSE(decode_base64(wrong)) << wrong;
  }
}

TEST(LenientJson, NumbersThatJsonHasNot) {
  const auto parsed = parse_lenient_json(
      R"({"a":[NaN,Infinity,-Infinity,Inf,-Inf,1],"NaN":"Infinity \" NaN"})", {});
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& list = parsed->at("a").as_array();
  EXPECT_TRUE(std::isnan(*special_number(list[0])));
  EXPECT_EQ(special_number(list[1]), std::numeric_limits<double>::infinity());
  EXPECT_EQ(special_number(list[2]), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(special_number(list[3]), special_number(list[1]));
  EXPECT_EQ(special_number(list[4]), special_number(list[2]));
  EXPECT_FALSE(special_number(list[5]));
  EXPECT_EQ(parsed->at("NaN").as_string(), "Infinity \" NaN") << "strings are left alone";
  for (const char* wrong : {"[Nan]", "[xNaN]", "[NaNs]", "[+Infinity]", "[--Infinity]", "[Infinit]",
                            "{NaN:1}", "[\"NaN]", "[1 NaN]"}) {
    EXPECT_FALSE(parse_lenient_json(wrong, {})) << wrong;
  }
  EXPECT_FALSE(parse_lenient_json("[NaN,NaN]", {.max_bytes = 12})) << "grows while it is read";
}

TEST(LenientJson, NumbersHaveAFraction) {
  const auto text = [](auto value) {
    std::string out;
    append_lenient_number(out, value);
    return out;
  };
  EXPECT_EQ(text(3.0f), "3.0");
  EXPECT_EQ(text(-0.1f), "-0.1");
  EXPECT_EQ(text(1e30f), "1.0e+30");
  EXPECT_EQ(text(0.1), "0.1");
  EXPECT_EQ(text(std::nan("")), "NaN");
  EXPECT_EQ(text(-std::numeric_limits<float>::infinity()), "-Infinity");
}

Result<NestedTensor> nested(const char* text, DType dtype = DType::i32) {
  const auto parsed = parse_lenient_json(text, {});
  MILLRACE_CHECK(parsed.has_value());
  return tensor_from_nested(*parsed, dtype, "input 'x'");
}

TEST(NestedTensor, NestingIsTheShape) {
  EXPECT_EQ(nested("7")->dims, Dims{});
  EXPECT_EQ(nested("[]")->dims, Dims{0});
  EXPECT_EQ(nested("[[],[]]")->dims, (Dims{2, 0}));
  EXPECT_EQ(nested("[[[1,2,3]],[[4,5,6]]]")->dims, (Dims{2, 1, 3}));
  EXPECT_EQ(nested("[[[1,2,3]],[[4,5,6]]]")->data.size(), 6u * 4);
  EXPECT_EQ(nested("[[[[[[[[1]]]]]]]]")->dims.size(), 8u);
  for (const char* wrong : {"[1,[2]]", "[[1],2]", "[[1,2],[3]]", "[[],[1]]", "[[1],[]]",
                            "[[[1]],[2]]", "[[[[[[[[[1]]]]]]]]]", "[1.5]", "[\"1\"]", "[null]",
                            "[{}]", "[NaN]", "[2147483648]", "[{\"b64\":\"AA==\"}]", "{\"a\":1}"}) {
    const auto refused = nested(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_NE(refused.error().message.find("input 'x'"), std::string::npos);
  }
  EXPECT_FALSE(nested("[1]", DType::f16));
}

TEST(NestedTensor, StringsAndSpecialNumbers) {
  const auto strings = nested(R"(["a",{"b64":"AP8="}])", DType::bytes);
  ASSERT_TRUE(strings);
  EXPECT_EQ(bytes_elements(strings->data)[1], std::string_view("\0\xff", 2));
  EXPECT_FALSE(nested(R"([{"b64":"A"}])", DType::bytes));
  EXPECT_FALSE(nested(R"([{"b64":"AP8=","x":1}])", DType::bytes));
  const auto numbers = nested("[NaN,-Infinity]", DType::f64);
  ASSERT_TRUE(numbers);
  double values[2];
  std::memcpy(values, numbers->data.data(), sizeof values);
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], -std::numeric_limits<double>::infinity());
}

TEST(NestedTensor, TrailingOnes) {
  const TensorSpec spec{.name = "x", .shape = Shape{-1, 1}};
  Dims dims = {3};
  EXPECT_EQ(add_trailing_ones(spec, dims), 1);
  EXPECT_EQ(dims, (Dims{3, 1}));
  EXPECT_EQ(add_trailing_ones(spec, dims), 0);
  dims = {3};
  EXPECT_EQ(add_trailing_ones({.shape = Shape{-1, 2}}, dims), 0);
  EXPECT_EQ(add_trailing_ones({.shape = Shape{-1, -1}}, dims), 0) << "an open size is not 1";
  EXPECT_EQ(add_trailing_ones({.any_rank = true}, dims), 0);
  dims = {};
  EXPECT_EQ(add_trailing_ones({.shape = Shape{1}}, dims), 0) << "a scalar has no rows";
}

TEST(NestedWriter, WritesWholesAndParts) {
  const float values[] = {1, 2.5f, -3, 4};
  const NestedWriter writer(DType::f32, std::as_bytes(std::span(values)), false);
  std::string out;
  writer.append(out, Dims{2, 2});
  EXPECT_EQ(out, "[[1.0,2.5],[-3.0,4.0]]");
  out.clear();
  writer.append(out, Dims{2}, 2);
  writer.append(out, Dims{}, 1);
  writer.append(out, Dims{0, 2});
  EXPECT_EQ(out, "[-3.0,4.0]2.5[]");
  std::vector<std::byte> strings;
  append_bytes_element(strings, "a\"");
  append_bytes_element(strings, "foo");
  out.clear();
  NestedWriter(DType::bytes, strings, false).append(out, Dims{2});
  NestedWriter(DType::bytes, strings, true).append(out, Dims{}, 1);
  EXPECT_EQ(out, R"(["a\"","foo"]{"b64":"Zm9v"})");
  const std::uint8_t truths[] = {1, 0};
  out.clear();
  NestedWriter(DType::boolean, std::as_bytes(std::span(truths)), false).append(out, Dims{2});
  EXPECT_EQ(out, "[true,false]");
}

}  // namespace
}  // namespace millrace::api
