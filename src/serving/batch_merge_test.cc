#include "serving/batch_merge.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace millrace::serving {
namespace {

std::span<const std::byte> bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string packed(std::initializer_list<std::string> strings) {
  std::string out;
  for (const std::string& s : strings) {
    const auto length = static_cast<std::uint32_t>(s.size());
    out.append(reinterpret_cast<const char*>(&length), sizeof length).append(s);
  }
  return out;
}

std::string text_of(const OutputTensor& output) {
  return {reinterpret_cast<const char*>(output.data.data()), output.data.size()};
}

TEST(BatchMerge, OtherSizesMustAgree) {
  const std::vector<InputTensor> a{{.shape = Shape{1, 4}}}, b{{.shape = Shape{3, 4}}},
      c{{.shape = Shape{1, 5}}};
  EXPECT_TRUE(can_merge(a, b));
  EXPECT_FALSE(can_merge(a, c));
}

TEST(BatchMerge, PartsStayWhereTheyAre) {
  const std::string first = "aabb", second = "cc";
  const std::vector<InputTensor> a{{.shape = Shape{2, 2}, .parts = {bytes(first)}}};
  const std::vector<InputTensor> b{{.shape = Shape{1, 2}, .parts = {bytes(second)}}};
  const std::vector<const std::vector<InputTensor>*> both{&a, &b};
  const auto merged = merge(both);
  EXPECT_EQ(merged[0].shape, (Shape{3, 2}));
  ASSERT_EQ(merged[0].parts.size(), 2u);
  EXPECT_EQ(static_cast<const void*>(merged[0].parts[1].data()), second.data());
}

TEST(BatchMerge, SplitsRaggedRowsAndStrings) {
  ModelDescription model;
  model.outputs = {{.name = "n", .dtype = DType::i8}, {.name = "s", .dtype = DType::bytes}};
  const std::string numbers = "112233445566";
  const std::string strings = packed({"", "long one", "b", "cc", "d", "e"});
  const std::vector<OutputTensor> outputs{{.shape = Shape{6, 2}, .data = bytes(numbers)},
                                          {.shape = Shape{6}, .data = bytes(strings)}};
  const std::int64_t rows[] = {2, 1, 3};
  const auto split_up = split(model, outputs, rows);
  ASSERT_TRUE(split_up);
  ASSERT_EQ(split_up->size(), 3u);
  EXPECT_EQ(text_of((*split_up)[0][0]), "1122");
  EXPECT_EQ(text_of((*split_up)[1][0]), "33");
  EXPECT_EQ(text_of((*split_up)[2][0]), "445566");
  EXPECT_EQ((*split_up)[2][0].shape, (Shape{3, 2}));
  EXPECT_EQ(text_of((*split_up)[0][1]), packed({"", "long one"}));
  EXPECT_EQ(text_of((*split_up)[1][1]), packed({"b"}));
  EXPECT_EQ(text_of((*split_up)[2][1]), packed({"cc", "d", "e"}));
}

TEST(BatchMerge, AnOutputWithoutTheRowsIsAnError) {
  ModelDescription model;
  model.outputs = {{.name = "n", .dtype = DType::i8}};
  const std::string numbers = "12";
  const std::int64_t rows[] = {2, 1};
  for (const Shape& shape : {Shape{2}, Shape{}, Shape{1, 3}}) {
    const auto failed = split(model, {{.shape = shape, .data = bytes(numbers)}}, rows);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::internal);
  }
}

}  // namespace
}  // namespace millrace::serving
