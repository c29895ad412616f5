// What the writer writes, the reader reads; what nobody should have written, it refuses.
#include "weights/weight_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "weights/gguf_builder.h"
#include "weights/test_files.h"
#include "weights/weight_heads.h"

namespace millrace::weights {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> bytes_of(std::size_t count, int seed) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::byte>((i * 37 + static_cast<std::size_t>(seed)) % 61);
  return bytes;
}

const std::vector<DeclaredTensor> kTensors = {
    {"scales", DType::f32, Shape{3}},        {"half", DType::f16, Shape{2, 5}},
    {"bytes", DType::i8, Shape{3, 7}},       {"q4_1", DType::q4_1, Shape{2, 96}},
    {"q4_g64", DType::q4_g64, Shape{3, 64}}, {"q4_g128", DType::q4_g128, Shape{1, 256}},
};

std::size_t size_of(const DeclaredTensor& tensor) {
  return TensorView{nullptr, tensor.dtype, tensor.shape}.num_bytes();
}

Status write(const std::filesystem::path& path, FileFormat format, const Metadata& metadata) {
  auto writer = WeightWriter::create(path, format, metadata, kTensors);
  if (!writer) return pass(writer);
  int seed = 0;
  for (const DeclaredTensor& tensor : kTensors) {
    if (Status done = writer->add(bytes_of(size_of(tensor), ++seed)); !done) return done;
  }
  return writer->finish();
}

void expect_tensors(const WeightFile& file) {
  EXPECT_EQ(file.names().size(), kTensors.size());
  int seed = 0;
  for (const DeclaredTensor& tensor : kTensors) {
    const TensorView* view = file.find(tensor.name);
    ASSERT_TRUE(view) << tensor.name;
    EXPECT_EQ(view->dtype, tensor.dtype) << tensor.name;
    EXPECT_EQ(view->shape, tensor.shape) << tensor.name;
    const auto expected = bytes_of(size_of(tensor), ++seed);
    ASSERT_EQ(view->num_bytes(), expected.size());
    EXPECT_EQ(std::memcmp(view->data, expected.data(), expected.size()), 0) << tensor.name;
  }
}

TEST(WeightWriter, GgufComesBackWithAllItsMetadata) {
  const ScratchFolder folder;
  const Metadata metadata = {
      {"a.flag", true},
      {"a.negative", std::int64_t{-3}},
      {"a.long", std::int64_t{-1} << 40},
      {"a.size", std::uint64_t{5}},
      {"a.large", std::uint64_t{1} << 60},
      {"a.eps", 1e-5},
      {"a.half", 0.5},
      {"a.text", std::string("words\nand more")},
      {"a.texts", std::vector<std::string>{"", "x", "yz"}},
      {"a.numbers", std::vector<std::int64_t>{1, -2, 3}},
      {"a.wide", std::vector<std::int64_t>{1, std::int64_t{1} << 33}},
      {"a.scores", std::vector<double>{0.5, -1e30}},
      {"a.none", std::vector<std::int64_t>{}},
  };
  ASSERT_TRUE(write(folder.path() / "m.gguf", FileFormat::gguf, metadata).has_value());
  auto file = open_weights(folder.path() / "m.gguf");
  ASSERT_TRUE(file) << file.error().message;
  expect_tensors(**file);
  EXPECT_EQ((*file)->metadata(), metadata);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "m.gguf.part"));
}

TEST(WeightWriter, SafetensorsComeBackInOurOwnKinds) {
  const ScratchFolder folder;
  const Metadata metadata = {{"format", std::string("pt")}, {"number", 5.0}};
  ASSERT_TRUE(
      write(folder.path() / "m.safetensors", FileFormat::safetensors, metadata).has_value());
  auto file = open_weights(folder.path() / "m.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  expect_tensors(**file);
  EXPECT_EQ(*meta_string(**file, "format"), "pt");
  EXPECT_FALSE((*file)->metadata().contains("number"));
}

TEST(WeightWriter, AnUnfinishedFileLeavesNothing) {
  const ScratchFolder folder;
  {
    auto writer = WeightWriter::create(folder.path() / "m.gguf", FileFormat::gguf, {}, kTensors);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->add(bytes_of(12, 1)).has_value());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_FALSE(
      WeightWriter::create(folder.path() / "no" / "m.gguf", FileFormat::gguf, {}, kTensors));
}

TEST(WeightWriter, TypesWithoutAPlaceAreRefused) {
  const std::vector<DeclaredTensor> odd = {{"t", DType::q6_k, Shape{1, 256}}};
  EXPECT_TRUE(gguf_head({}, odd));
  EXPECT_FALSE(safetensors_head({}, odd));
  const std::vector<DeclaredTensor> text = {{"t", DType::bytes, Shape{1}}};
  EXPECT_FALSE(gguf_head({}, text));
  EXPECT_FALSE(safetensors_head({}, {{"t", DType::q4_g64, Shape{1, 96}}}));
}

// A safetensors file of one U8 tensor "t" that says it is of a kind.
std::string error_of_kind(const std::string& kind, const std::string& dtype,
                          const std::string& shape, std::size_t num_bytes) {
  const ScratchFolder folder;
  const std::string header = R"({"__metadata__":{"millrace.kind:t":")" + kind +
                             R"("},"t":{"dtype":")" + dtype + R"(","shape":)" + shape +
                             R"(,"data_offsets":[0,)" + std::to_string(num_bytes) + "]}}";
  const std::uint64_t size = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &size, 8);
  auto opened =
      open_weights(folder.write("m.safetensors", file + header + std::string(num_bytes, 'd')));
  return opened ? "" : opened.error().message;
}

TEST(OwnKinds, WrongSafetensorsAreRefused) {
  EXPECT_EQ(error_of_kind("q4_g64", "U8", "[2,36]", 72), "");
  EXPECT_THAT(error_of_kind("q4_g64", "U8", "[2,37]", 74), HasSubstr("whole blocks of 36 bytes"));
  EXPECT_THAT(error_of_kind("q4_g64", "I8", "[2,36]", 72), HasSubstr("would be U8 rows"));
  EXPECT_THAT(error_of_kind("q4_g64", "U8", "[72]", 72), HasSubstr("would be U8 rows"));
  EXPECT_THAT(error_of_kind("q4_g32", "U8", "[2,36]", 72), HasSubstr("is not supported"));
  EXPECT_THAT(error_of_kind("f32", "U8", "[2,36]", 72), HasSubstr("is not supported"));
  EXPECT_THAT(error_of_kind("q4_g128", "U8", "[0,9223372036854775748]", 0), HasSubstr("m.safe"));
}

TEST(OwnKinds, WrongGgufTensorsAreRefused) {
  const ScratchFolder folder;
  const auto error = [&](std::int64_t k, std::uint32_t type, std::size_t num_bytes) {
    GgufBuilder file;
    file.header(1, 0).tensor("t", {k, 2}, type, 0).pad().data(num_bytes);
    auto opened = open_weights(folder.write("m.gguf", file.bytes()));
    return opened ? std::string() : opened.error().message;
  };
  EXPECT_EQ(error(128, 0x4d520000 + 64, 144), "");
  EXPECT_THAT(error(96, 0x4d520000 + 64, 144), HasSubstr("\"t\""));
  EXPECT_THAT(error(128, 0x4d520000 + 64, 143), HasSubstr("past the end"));
  EXPECT_THAT(error(128, 0x4d520000 + 128, 135), HasSubstr("past the end"));
  EXPECT_THAT(error(128, 0x4d520000 + 32, 144), HasSubstr("is not supported"));
}

}  // namespace
}  // namespace millrace::weights
