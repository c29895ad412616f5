#include "weights/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "weights/allocation_meter.h"

namespace millrace::weights {
namespace {

using ::testing::HasSubstr;

Result<SafetensorsHeader> parse(const std::string& file) {
  const std::vector<char> copy(file.begin(), file.end());
  return parse_safetensors(std::as_bytes(std::span(copy)));
}

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + rest;
}

std::string file_of(const std::string& header, std::size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, 'd'));
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + '}';
}

// One tensor "t" over 16 bytes.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return file_of('{' + entry("t", dtype, shape, offsets) + '}', 16);
}

std::string small_model() {
  return file_of('{' + entry("a", "F32", "[2,2]", "[0,16]") + ',' +
                     entry("b", "F16", "[3]", "[16,22]") + R"(,"__metadata__":{"format":"pt"}})",
                 22);
}

TEST(SafetensorsHeader, ReadsTensorsAndMetadata) {
  const std::string file = small_model();
  auto header = parse_safetensors(std::as_bytes(std::span(file)));
  ASSERT_TRUE(header) << header.error().message;
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[0].view.shape, (Shape{2, 2}));
  EXPECT_EQ(header->tensors[1].view.dtype, DType::f16);
  EXPECT_EQ(header->tensors[1].view.data, file.data() + file.size() - 6);
  EXPECT_EQ(header->metadata.at("format"), "pt");
}

TEST(SafetensorsHeader, AllowsWhatTheFormatAllows) {
  EXPECT_TRUE(parse(file_of("{}", 0)));
  EXPECT_TRUE(parse(file_of("{}   ", 0)));  // padded with spaces
  EXPECT_TRUE(parse(file_of('{' + entry("scalar", "F32", "[]", "[0,4]") + '}', 4)));
  EXPECT_TRUE(parse(file_of('{' + entry("none", "F32", "[0,7]", "[0,0]") + '}', 0)));
  EXPECT_TRUE(parse(file_of(
      '{' + entry("b", "U8", "[1]", "[1,2]") + ',' + entry("a", "BOOL", "[1]", "[0,1]") + '}', 2)));
  EXPECT_TRUE(parse(one("F32", "[1,1,1,1,1,1,1,4]", "[0,16]")));
}

TEST(SafetensorsHeader, EveryTruncationIsAnError) {
  const std::string file = small_model();
  ASSERT_TRUE(parse(file));
  for (std::size_t size = 0; size < file.size(); ++size) {
    ASSERT_FALSE(parse(file.substr(0, size))) << size;
  }
}

TEST(SafetensorsHeader, EveryFlippedByteIsReadOrRefused) {
  std::string file = small_model();
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
      const char kept = file[i];
      file[i] = static_cast<char>(file[i] ^ flip);
      if (auto header = parse(file); header) {
        EXPECT_EQ(header->tensors.size(), 2u);
      }
      file[i] = kept;
    }
  }
}

struct Hostile {
  const char* what;
  std::string file;
  const char* says;
};

std::vector<Hostile> hostile_framing() {
  const std::string good = '{' + entry("t", "F32", "[4]", "[0,16]") + '}';
  const std::string data(16, 'd');
  return {
      {"empty file", "", "too short"},
      {"seven bytes", std::string(7, '\0'), "too short"},
      {"header length 0", with_length(0, good + data), "begin with '{'"},
      {"header longer than the file", with_length(good.size() + 17, good + data), "middle of the"},
      {"header over 32 MiB", with_length((32ull << 20) + 1, good + data), "header length"},
      {"header length 2^63", with_length(1ull << 63, good + data), "header length"},
      {"header length 2^64-1", with_length(~0ull, good + data), "header length"},
      {"header one byte short", with_length(good.size() - 1, good + data), "header"},
      {"leading space", file_of(' ' + good, 16), "begin with '{'"},
      {"byte order mark", file_of("\xef\xbb\xbf" + good, 16), "begin with '{'"},
      {"not UTF-8", file_of("{\"\xff\xfe\":" + good.substr(5), 16), "header"},
      {"an array", file_of("[]", 0), "begin with '{'"},
      {"trailing comma", file_of(good.substr(0, good.size() - 1) + ",}", 16), "header"},
      {"two objects", file_of(good + "{}", 16), "header"},
      {"a comment", file_of("{/**/}", 0), "header"},
      {"nested 100,000 deep", file_of("{\"a\":" + std::string(100'000, '['), 0), "header"},
      {"trailing zip", file_of(good, 16) + std::string("PK\x03\x04", 4), "belong to nothing"},
      {"no tensors, but bytes", file_of("{}", 1), "belong to nothing"},
  };
}

std::vector<Hostile> hostile_entries() {
  const auto two = [](const std::string& a, const std::string& b, std::size_t bytes = 32) {
    return file_of('{' + a + ',' + b + '}', bytes);
  };
  const auto raw = [](const std::string& value) { return file_of(R"({"t":)" + value + '}', 16); };
  const auto f32 = [](const std::string& name, const std::string& offsets) {
    return entry(name, "F32", "[4]", offsets);
  };
  std::string dims = "[1";
  for (int i = 0; i < 999; ++i) dims += ",1";
  return {
      {"duplicate tensor", two(f32("t", "[0,16]"), f32("t", "[16,32]")), "duplicate key"},
      {"duplicate field", raw(R"({"dtype":"F32","dtype":"I32","shape":[4],"data_offsets":[0,16]})"),
       "duplicate"},
      {"unknown field", raw(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16],"url":"x"})"),
       "unknown field"},
      {"entry not an object", raw("[]"), "not an object"},
      {"no dtype", raw(R"({"shape":[4],"data_offsets":[0,16]})"), "dtype is not"},
      {"dtype a number", raw(R"({"dtype":3,"shape":[4],"data_offsets":[0,16]})"), "dtype is not"},
      {"unknown dtype", one("F31", "[4]", "[0,16]"), "\"F31\" is not supported"},
      {"dtype in small letters", one("f32", "[4]", "[0,16]"), "not supported"},
      {"no shape", raw(R"({"dtype":"F32","data_offsets":[0,16]})"), "shape is not"},
      {"shape a string", one("F32", "\"4\"", "[0,16]"), "shape is not"},
      {"negative dimension", one("F32", "[-4]", "[0,16]"), "not a size"},
      {"dimension a fraction", one("F32", "[4.0]", "[0,16]"), "not a size"},
      {"dimension 2^63", one("F32", "[9223372036854775808]", "[0,16]"), "not a size"},
      {"dimension over 2^64", one("F32", "[99999999999999999999]", "[0,16]"), "not a size"},
      {"product over 2^63", one("F32", "[4294967296,4294967296]", "[0,16]"), "too large"},
      {"bytes over 2^63", one("F64", "[4611686018427387904]", "[0,16]"), "too large"},
      {"1000 dimensions", one("F32", dims + "]", "[0,16]"), "1000 dimensions"},
      {"nine dimensions", one("F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]"), "9 dimensions"},
      {"no offsets", raw(R"({"dtype":"F32","shape":[4]})"), "not a pair"},
      {"three offsets", one("F32", "[4]", "[0,8,16]"), "not a pair"},
      {"offsets as fractions", one("F32", "[4]", "[0.0,16.0]"), "not an offset"},
      {"offsets with an exponent", one("F32", "[4]", "[0,16e0]"), "not an offset"},
      {"offsets as strings", one("F32", "[4]", "[\"0\",\"16\"]"), "not an offset"},
      {"negative offset", one("F32", "[4]", "[-16,0]"), "not an offset"},
      {"end before begin", one("F32", "[4]", "[16,0]"), "end before they begin"},
      {"end past the file", one("F32", "[5]", "[0,20]"), "past the end"},
      {"offsets near 2^64", one("F32", "[4]", "[18446744073709551600,18446744073709551615]"),
       "past the end"},
      {"shape larger than its bytes", one("F32", "[8]", "[0,16]"), "asks for 32 bytes"},
      {"shape smaller than its bytes", one("F32", "[2]", "[0,16]"), "asks for 8 bytes"},
      {"overlap", two(f32("a", "[0,16]"), f32("b", "[8,24]"), 24), "overlap"},
      {"the same bytes twice", two(f32("a", "[0,16]"), f32("b", "[0,16]"), 16), "overlap"},
      {"hole", two(f32("a", "[0,16]"), f32("b", "[20,36]"), 36), "hole"},
      {"hole at the start", file_of('{' + f32("a", "[4,20]") + '}', 20), "hole"},
      {"empty name", file_of('{' + entry("", "F32", "[4]", "[0,16]") + '}', 16), "not a name"},
      {"name with NUL", file_of('{' + entry("a\\u0000b", "F32", "[4]", "[0,16]") + '}', 16),
       "not a name"},
      {"__metadata__ an array", file_of(R"({"__metadata__":[]})", 0), "not an object"},
      {"__metadata__ with a number", file_of(R"({"__metadata__":{"a":1}})", 0), "not a string"},
      {"__metadata__ nested", file_of(R"({"__metadata__":{"a":{"b":"c"}}})", 0), "not a string"},
  };
}

TEST(SafetensorsHeader, RefusesHostileFilesInBoundedMemory) {
  std::vector<Hostile> cases = hostile_framing();
  for (auto& more : hostile_entries()) cases.push_back(std::move(more));
  EXPECT_GE(cases.size(), 30u);
  for (const auto& hostile : cases) {
    SCOPED_TRACE(hostile.what);
    const auto before = allocated_bytes();
    restart_allocation_peak();
    auto header = parse(hostile.file);
    EXPECT_LE(peak_allocated_bytes() - before, 4 * hostile.file.size() + (std::size_t{1} << 20));
    ASSERT_FALSE(header);
    EXPECT_THAT(header.error().message, HasSubstr(hostile.says));
    EXPECT_EQ(header.error().kind, ErrorKind::invalid_argument);
    EXPECT_LE(header.error().message.size(), 300u);
  }
}

TEST(SafetensorsHeader, RefusesAMillionTensors) {
  std::string header = "{";
  for (int i = 0; i < 200'000; ++i) {
    header += '"' + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  }
  header.back() = '}';
  auto parsed = parse(file_of(header, 0));
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message, HasSubstr("too many"));
}

}  // namespace
}  // namespace millrace::weights
