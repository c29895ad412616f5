#include "serving/tensor_checks.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace millrace::serving {
namespace {

ModelDescription model() {
  ModelDescription d;
  d.inputs = {{.name = "x", .dtype = DType::f32, .shape = Shape{-1, 2}},
              {.name = "s", .dtype = DType::bytes, .shape = Shape{-1}},
              {.name = "b", .dtype = DType::boolean, .any_rank = true}};
  d.max_batch_size = 8;
  return d;
}

// Good ones, in another order than the model's.
std::vector<NamedTensor> good() {
  static const float kFloats[] = {1, 2, 3, 4};
  static const std::string kStrings("\1\0\0\0a\0\0\0\0", 9);
  static const std::uint8_t kBools[] = {0, 1};
  return {
      {.name = "b",
       .dtype = DType::boolean,
       .dims = {2, 1},
       .data = std::as_bytes(std::span(kBools))},
      {.name = "x", .dtype = DType::f32, .dims = {2, 2}, .data = std::as_bytes(std::span(kFloats))},
      {.name = "s",
       .dtype = DType::bytes,
       .dims = {2},
       .data = std::as_bytes(std::span(kStrings))}};
}

void expect_refused(const std::vector<NamedTensor>& given, const char* param, const char* word) {
  const auto checked = check_inputs(model(), given);
  ASSERT_FALSE(checked) << word;
  EXPECT_EQ(checked.error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(checked.error().param, param) << checked.error().message;
  EXPECT_NE(checked.error().message.find(word), std::string::npos) << checked.error().message;
}

TEST(TensorChecks, OrdersWhatIsRight) {
  const auto inputs = check_inputs(model(), good());
  ASSERT_TRUE(inputs) << inputs.error().message;
  EXPECT_EQ((*inputs)[0].shape, (Shape{2, 2}));
  EXPECT_EQ((*inputs)[1].shape, Shape{2});
  EXPECT_EQ((*inputs)[2].shape, (Shape{2, 1}));
  EXPECT_EQ(num_rows(model(), *inputs), 2);
}

TEST(TensorChecks, RefusesWithTheTensorsName) {
  const auto changed = [](auto change) {
    auto given = good();
    change(given);
    return given;
  };
  expect_refused(changed([](auto& g) { g.pop_back(); }), "s", "missing");
  expect_refused(changed([](auto& g) { g.push_back(g[1]); }), "x", "twice");
  expect_refused(changed([](auto& g) { g[1].name = "other"; }), "other", "no input");
  expect_refused(changed([](auto& g) { g[1].dtype = DType::f64; }), "x", "type");
  expect_refused(changed([](auto& g) { g[1].dims = {2, 3}; }), "x", "shape [2,3]");
  expect_refused(changed([](auto& g) { g[1].dims = {4}; }), "x", "shape [4]");
  expect_refused(changed([](auto& g) { g[1].dims = {3, 2}; }), "x", "needs 24");
  expect_refused(changed([](auto& g) { g[1].dims = {-2, 2}; }), "x", "negative");
  expect_refused(changed([](auto& g) { g[1].data = g[1].data.first(15); }), "x", "15 bytes");
  expect_refused(changed([](auto& g) { g[2].dims = {3}; }), "s", "2 strings");
  expect_refused(changed([](auto& g) { g[2].data = g[2].data.first(4); }), "s", "beyond");
  expect_refused(changed([](auto& g) { g[2].data = g[2].data.first(2); }), "s", "beyond");
  static const std::uint8_t kWrong[] = {0, 2};
  expect_refused(changed([](auto& g) { g[0].data = std::as_bytes(std::span(kWrong)); }), "b",
                 "0 or 1");
  expect_refused(changed([](auto& g) { g[0].dims.assign(9, 1); }), "b", "dimensions");
}

TEST(TensorChecks, HugeShapesDoNotOverflow) {
  auto given = good();
  given[1].dims = {std::numeric_limits<std::int64_t>::max(), 2};
  expect_refused(given, "x", "too many");
  given[1].dims = {std::int64_t{1} << 61, 2};
  expect_refused(given, "x", "needs more");
  given[0].dims = {std::int64_t{1} << 32, std::int64_t{1} << 32, 0};
  expect_refused(given, "b", "too many");
}

TEST(TensorChecks, RowsMustAgree) {
  auto d = model();
  d.inputs.pop_back();
  const std::vector<InputTensor> inputs{{.shape = Shape{2, 2}}, {.shape = Shape{3}}};
  const auto rows = num_rows(d, inputs);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().param, "s");
}

TEST(TensorChecks, NamesAreShownSafely) {
  auto given = good();
  given[1].name = std::string(500, '\n');
  const auto checked = check_inputs(model(), given);
  ASSERT_FALSE(checked);
  EXPECT_LT(checked.error().message.size(), 120u);
  EXPECT_EQ(checked.error().message.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace millrace::serving
