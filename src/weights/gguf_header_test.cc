#include "weights/gguf_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "weights/allocation_meter.h"
#include "weights/gguf_builder.h"
#include "weights/gguf_metadata.h"
#include "weights/gguf_types.h"
#include "weights/tensor_ranges.h"

namespace millrace::weights {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kF32Type = 0, kQ4_0Type = 2, kQ4KType = 12;
constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

// Parses a heap copy of exactly the file's size, so that a sanitizer sees every byte past its end.
Result<GgufHeader> parse(const std::string& file) {
  const std::vector<char> copy(file.begin(), file.end());
  return parse_gguf(std::as_bytes(std::span(copy)));
}

// One tensor of 8 f32 after `pairs` key–value pairs that `fill` writes.
template <class Fill>
std::string with_metadata(std::uint64_t pairs, Fill fill) {
  GgufBuilder file;
  file.header(0, pairs);
  fill(file);
  return file.bytes();
}

template <class Fill>
std::string with_tensors(std::uint64_t tensors, std::size_t data_bytes, Fill fill) {
  GgufBuilder file;
  file.header(tensors, 0);
  fill(file);
  return file.pad().data(data_bytes).bytes();
}

std::string small_model() {
  GgufBuilder file;
  file.header(2, 4).string("general.architecture", "test").u32("test.block_count", 2);
  file.strings("tokenizer.ggml.tokens", {"a", "b"}).array("tokenizer.ggml.scores", kF32, 2);
  file.put(1.5f).put(-2.0f);
  file.tensor("a.weight", {4, 2}, kF32Type, 0).tensor("b.weight", {32, 3}, kQ4_0Type, 32).pad();
  return file.data(32, 'a').data(54, 'b').bytes();
}

TEST(GgufHeader, ReadsMetadataOfEveryType) {
  auto header = parse(with_metadata(16, [](GgufBuilder& file) {
    file.key("u8", kU8).put(std::uint8_t{200}).key("i8", kI8).put(std::int8_t{-3});
    file.key("u16", kU16).put(std::uint16_t{60000}).key("i16", kI16).put(std::int16_t{-300});
    file.u32("u32", 4'000'000'000u).key("i32", kI32).put(std::int32_t{-70000});
    file.key("u64", kU64).put(kHuge).key("i64", kI64).put(std::int64_t{-5'000'000'000});
    file.key("f32", kF32)
        .put(0.5f)
        .key("f64", kF64)
        .put(0.1)
        .key("yes", kBool)
        .put(std::uint8_t{1});
    file.string("text", "ünï").strings("texts", {"a", "", "c"});
    file.array("ints", kI16, 2).put(std::int16_t{-1}).put(std::int16_t{7});
    file.array("floats", kF64, 1).put(0.25);
    file.array("flags", kBool, 2).put(std::uint8_t{1}).put(std::uint8_t{0});
  }));
  ASSERT_TRUE(header) << header.error().message;
  const auto& meta = header->metadata;
  EXPECT_EQ(meta.at("u8"), MetaValue(std::uint64_t{200}));
  EXPECT_EQ(meta.at("i8"), MetaValue(std::int64_t{-3}));
  EXPECT_EQ(meta.at("u16"), MetaValue(std::uint64_t{60000}));
  EXPECT_EQ(meta.at("i16"), MetaValue(std::int64_t{-300}));
  EXPECT_EQ(meta.at("u32"), MetaValue(std::uint64_t{4'000'000'000}));
  EXPECT_EQ(meta.at("i32"), MetaValue(std::int64_t{-70000}));
  EXPECT_EQ(meta.at("u64"), MetaValue(kHuge));
  EXPECT_EQ(meta.at("i64"), MetaValue(std::int64_t{-5'000'000'000}));
  EXPECT_EQ(meta.at("f32"), MetaValue(0.5));
  EXPECT_EQ(meta.at("f64"), MetaValue(0.1));
  EXPECT_EQ(meta.at("yes"), MetaValue(true));
  EXPECT_EQ(meta.at("text"), MetaValue(std::string("ünï")));
  EXPECT_EQ(meta.at("texts"), MetaValue(std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ(meta.at("ints"), MetaValue(std::vector<std::int64_t>{-1, 7}));
  EXPECT_EQ(meta.at("floats"), MetaValue(std::vector<double>{0.25}));
  EXPECT_EQ(meta.at("flags"), MetaValue(std::vector<std::int64_t>{1, 0}));
}

TEST(GgufHeader, TurnsShapesOutermostFirst) {
  const std::string file = small_model();
  const auto bytes = std::as_bytes(std::span(file));
  auto header = parse_gguf(bytes);
  ASSERT_TRUE(header) << header.error().message;
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].view.shape, (Shape{2, 4}));
  EXPECT_EQ(header->tensors[1].view.shape, (Shape{3, 32}));
  EXPECT_EQ(header->tensors[1].view.dtype, DType::q4_0);
  EXPECT_EQ(*static_cast<const char*>(header->tensors[0].view.data), 'a');
  EXPECT_EQ(*static_cast<const char*>(header->tensors[1].view.data), 'b');
}

TEST(GgufHeader, ReadsVersionTwoAndOtherAlignments) {
  GgufBuilder file;
  file.header(2, 1, 2).u32("general.alignment", 64).tensor("a", {1}, kF32Type, 0);
  file.tensor("b", {1}, kF32Type, 64).pad(64).data(68);
  auto header = parse(file.bytes());
  EXPECT_TRUE(header) << header.error().message;
}

TEST(GgufHeader, EveryTruncationIsAnError) {
  const std::string file = small_model();
  ASSERT_TRUE(parse(file));
  for (std::size_t size = 0; size < file.size(); ++size) {
    auto header = parse(file.substr(0, size));
    ASSERT_FALSE(header) << size;
    EXPECT_EQ(header.error().code, "invalid_model_file");
  }
}

TEST(GgufHeader, EveryFlippedByteIsReadOrRefusedWithinBounds) {
  std::string file = small_model();
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      const char kept = file[i];
      file[i] = static_cast<char>(file[i] ^ flip);
      if (auto header = parse(file); header) {
        EXPECT_LE(header->tensors.size(), 2u);
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

std::vector<Hostile> hostile_headers() {
  const auto version = [](std::uint32_t number) {
    return GgufBuilder().header(0, 0, number).bytes();
  };
  return {
      {"empty file", "", "too short"},
      {"bad magic", GgufBuilder().raw("GGML").put(3u).put(0ull).put(0ull).bytes(), "not a GGUF"},
      {"magic backwards", GgufBuilder().raw("FUGG").put(3u).data(16).bytes(), "not a GGUF"},
      {"version 0", version(0), "version 0"},
      {"version 1", version(1), "version 1"},
      {"version 4", version(4), "version 4"},
      {"version 2^32-1", version(0xffffffff), "version"},
      {"big-endian", version(0x03000000), "big-endian"},
      {"tensor count 2^64-1", GgufBuilder().header(kHuge, 0).bytes(), "tensor count"},
      {"tensor count 2^32", GgufBuilder().header(1ull << 32, 0).bytes(), "tensor count"},
      {"tensor count 100001", GgufBuilder().header(100'001, 0).data(64).bytes(), "tensor count"},
      {"pair count 2^64-1", GgufBuilder().header(0, kHuge).bytes(), "metadata count"},
      {"pair count 2^32", GgufBuilder().header(0, 1ull << 32).bytes(), "metadata count"},
      {"pair count over the limit", GgufBuilder().header(0, 65'537).data(64).bytes(), "65537"},
      {"tensors promised", GgufBuilder().header(1000, 0).data(100).bytes(), "promise more"},
      {"pairs promised", GgufBuilder().header(0, 1000).data(100).bytes(), "promise more"},
  };
}

std::vector<Hostile> hostile_metadata() {
  const auto one = [](auto fill) {
    return with_metadata(1, [&](GgufBuilder& file) {
      fill(file);
      file.data(32);
    });
  };
  using B = GgufBuilder&;
  const auto numbers_of = [&](std::uint32_t type, std::uint64_t count) {
    return one([=](B f) { f.array("a", type, count); });
  };
  const std::string long_text(std::size_t{1} << 20 | 1, 'x');
  return {
      {"key length 2^64-1", one([](B f) { f.put(kHuge); }), "a key of"},
      {"key length 2^63", one([](B f) { f.put(1ull << 63); }), "a key of"},
      {"key longer than the file", one([](B f) { f.put(60000ull); }), "middle of a key"},
      {"key of 65536", one([](B f) { f.text(std::string(65536, 'k')); }), "a key of 65536"},
      {"empty key", one([](B f) { f.text("").put(std::uint32_t{kU8}); }), "empty"},
      {"key with NUL", one([](B f) { f.key(std::string_view("a\0b", 3), kU8); }), "ASCII"},
      {"key not ASCII", one([](B f) { f.key("schlüssel", kU8); }), "ASCII"},
      {"duplicate key", with_metadata(2, [](B f) { f.u32("k", 1).u32("k", 2); }), "occurs twice"},
      {"value type 13", one([](B f) { f.key("k", 13); }), "unknown value type 13"},
      {"value type -1", one([](B f) { f.key("k", 0xffffffff); }), "unknown value type"},
      {"string length 2^64-1", one([](B f) { f.key("k", kString).put(kHuge); }), "a string of"},
      {"string length 2^63", one([](B f) { f.key("k", kString).put(1ull << 63); }), "a string of"},
      {"string past the end", one([](B f) { f.key("k", kString).put(33ull); }), "file ends"},
      {"template over 1 MiB", one([&](B f) { f.string("tokenizer.chat_template", long_text); }),
       "tokenizer.chat_template"},
      {"array element type 13", numbers_of(13, 1), "array element type 13"},
      {"array of arrays", one([](B f) { f.array("a", kArray, 1).put(std::uint32_t{kU8}); }),
       "arrays of arrays"},
      {"array nested 1000 deep", one([](B f) {
         f.key("a", kArray);
         for (int i = 0; i < 1000; ++i) f.put(std::uint32_t{kArray}).put(1ull);
       }),
       "arrays of arrays"},
      {"array count 2^64-1", numbers_of(kU32, kHuge), "an array of"},
      {"array count 2^62", numbers_of(kU64, 1ull << 62), "an array of"},
      {"array of 4 million and 1", numbers_of(kU8, 4'000'001), "an array of 4000001"},
      {"array longer than the file", numbers_of(kU32, 1'000'000), "longer than the file"},
      {"array of strings longer than the file", numbers_of(kString, 4'000'000), "longer than"},
      {"array one element short", numbers_of(kF64, 5), "longer than the file"},
      {"boolean 2", one([](B f) { f.key("b", kBool).put(std::uint8_t{2}); }), "not 0 or 1"},
      {"array of booleans 0xff", one([](B f) { f.array("b", kBool, 1).put(std::uint8_t{0xff}); }),
       "not 0 or 1"},
      {"NaN", one([](B f) { f.key("rms_epsilon", kF32).put(std::nanf("")); }), "not finite"},
      {"infinity", one([](B f) { f.key("freq_base", kF64).put(HUGE_VAL); }), "not finite"},
      {"array of NaN", one([](B f) { f.array("scores", kF32, 1).put(std::nanf("")); }),
       "not a number"},
      {"array element over 2^63", one([](B f) { f.array("a", kU64, 1).put(kHuge); }), "2^63"},
      {"string array with a huge string",
       one([](B f) { f.array("t", kString, 2).text("a").put(1ull << 40); }), "a string of"},
  };
}

std::vector<Hostile> hostile_alignments() {
  const auto aligned = [](auto fill) {
    GgufBuilder file;
    file.header(1, 1);
    fill(file);
    return file.tensor("t", {8}, kF32Type, 0).pad().data(32).bytes();
  };
  using B = GgufBuilder&;
  return {
      {"alignment 0", aligned([](B f) { f.u32("general.alignment", 0); }), "alignment 0"},
      {"alignment 3", aligned([](B f) { f.u32("general.alignment", 3); }), "alignment 3"},
      {"alignment 13", aligned([](B f) { f.u32("general.alignment", 13); }), "alignment 13"},
      {"alignment 24", aligned([](B f) { f.u32("general.alignment", 24); }), "alignment 24"},
      {"alignment 2^31", aligned([](B f) { f.u32("general.alignment", 1u << 31); }), "2147483648"},
      {"alignment a string", aligned([](B f) { f.string("general.alignment", "32"); }),
       "not an unsigned"},
      {"alignment negative", aligned([](B f) { f.key("general.alignment", kI32).put(-32); }),
       "not an unsigned"},
  };
}

std::vector<Hostile> hostile_tensors() {
  using B = GgufBuilder&;
  const auto one = [](auto fill) { return with_tensors(1, 64, fill); };
  const auto two = [](auto fill) { return with_tensors(2, 64, fill); };
  const auto shaped = [&](std::vector<std::int64_t> dims, std::uint32_t type = kF32Type) {
    return one([=](B f) { f.tensor("t", dims, type, 0); });
  };
  const auto typed = [&](std::uint32_t type) { return shaped({256}, type); };
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return {
      {"name of 64 bytes", one([](B f) { f.tensor(std::string(64, 'n'), {8}, 0, 0); }), "64 bytes"},
      {"name length 2^64-1", one([](B f) { f.put(kHuge).data(64); }), "tensor name"},
      {"empty name", one([](B f) { f.tensor("", {8}, 0, 0); }), "0 bytes"},
      {"name with NUL", one([](B f) { f.tensor(std::string_view("a\0b", 3), {8}, 0, 0); }),
       "control characters"},
      {"duplicate name", two([](B f) { f.tensor("t", {4}, 0, 0).tensor("t", {4}, 0, 32); }),
       "occurs twice"},
      {"no dimensions", shaped({}), "0 dimensions"},
      {"five dimensions", shaped({1, 1, 1, 1, 1}), "5 dimensions"},
      {"2^32-1 dimensions", one([](B f) { f.text("t").put(0xffffffffu).data(64); }), "dimensions"},
      {"dimension 0", shaped({0}), "not positive"},
      {"second dimension 0", shaped({8, 0}), "not positive"},
      {"dimension -1", shaped({-1}), "not positive"},
      {"dimension -2^63", shaped({std::numeric_limits<std::int64_t>::min()}), "not positive"},
      {"product over 2^63", shaped({1ll << 32, 1ll << 32}), "too large"},
      {"bytes over 2^63", shaped({1ll << 62}), "too large"},
      {"largest dimension", shaped({kMax}), "too large"},
      {"four large dimensions", shaped({65536, 65536, 65536, 65536}), "too large"},
      {"two tensors of almost 2^63 bytes", two([](B f) {
         f.tensor("a", {0x7FFFFFFFFFFFFFC0}, 24, 0).tensor("b", {0x7FFFFFFFFFFFFFC0}, 24, 0);
       }),
       "past the end"},
      {"not a multiple of 32", shaped({33}, kQ4_0Type), "multiple of 32"},
      {"not a multiple of 256", shaped({128}, kQ4KType), "multiple of 256"},
      {"type removed", typed(4), "type number 4"},
      {"type unsupported", typed(10), "Q2_K"},
      {"type IQ2_XXS", typed(16), "IQ2_XXS"},
      {"type of the future", typed(99), "number 99"},
      {"type -1", typed(0xffffffff), "not supported"},
      {"offset unaligned", one([](B f) { f.tensor("t", {4}, 0, 4); }), "not a multiple of 32"},
      {"offset past the end", one([](B f) { f.tensor("t", {4}, 0, 96); }), "past the end"},
      {"offset near 2^64", one([](B f) { f.tensor("t", {4}, 0, kHuge - 31); }), "past the end"},
      {"size past the end", one([](B f) { f.tensor("t", {17}, 0, 0); }), "past the end"},
      {"a gigabyte in 64 bytes", shaped({1 << 28}), "past the end"},
      {"the same bytes twice", two([](B f) { f.tensor("a", {8}, 0, 0).tensor("b", {8}, 0, 0); }),
       "overlap"},
      {"overlap by a block", two([](B f) { f.tensor("a", {12}, 0, 0).tensor("b", {4}, 0, 32); }),
       "overlap"},
      {"no padding before the data", GgufBuilder().header(1, 0).tensor("t", {1}, 0, 0).bytes(),
       "ends before its tensor data"},
  };
}

TEST(GgufHeader, RefusesHostileFilesInBoundedMemory) {
  std::vector<Hostile> cases = hostile_headers();
  for (auto more : {hostile_metadata(), hostile_alignments(), hostile_tensors()}) {
    cases.insert(cases.end(), more.begin(), more.end());
  }
  EXPECT_GE(cases.size(), 60u);
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

// The widest growth that the format allows: the shortest strings and the narrowest numbers.
TEST(GgufHeader, MemoryStaysWithinFourTimesTheFile) {
  const auto bytes = with_metadata(2, [](GgufBuilder& file) {
    file.array("s", kString, 2'000'000).data(16'000'000);
    file.array("n", kU8, 2'000'000).data(2'000'000);
  });
  const auto before = allocated_bytes();
  restart_allocation_peak();
  auto header = parse_gguf(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_LE(peak_allocated_bytes() - before, 4 * bytes.size() + (std::size_t{16} << 20));
}

TEST(GgufHeader, ArraysShareOneLimit) {
  const auto bytes = with_metadata(2, [](GgufBuilder& file) {
    file.array("a", kU8, 3'000'000).data(3'000'000).array("b", kU8, 1'000'001).data(1'000'001);
  });
  auto header = parse_gguf(std::as_bytes(std::span(bytes)));
  ASSERT_FALSE(header);
  EXPECT_THAT(header.error().message, HasSubstr("all arrays together"));
}

TEST(GgufTypes, NamesAndNumbers) {
  EXPECT_EQ(gguf_dtype(14), DType::q6_k);
  EXPECT_EQ(gguf_dtype(30), DType::bf16);
  EXPECT_EQ(gguf_dtype(31), std::nullopt);
  EXPECT_EQ(gguf_type_name(29), "IQ1_M");
  EXPECT_EQ(gguf_type_name(39), "MXFP4");
  EXPECT_EQ(gguf_type_name(40), "number 40");
}

TEST(TensorRanges, CheckedSizes) {
  EXPECT_EQ(checked_tensor_bytes(DType::f32, Shape{}), 4u);
  EXPECT_EQ(checked_tensor_bytes(DType::q4_k, Shape{2, 512}), 4u * 144);
  EXPECT_EQ(checked_tensor_bytes(DType::u8, Shape{0, 5}), 0u);
  EXPECT_FALSE(checked_tensor_bytes(DType::bytes, Shape{1}));
  EXPECT_FALSE(checked_tensor_bytes(DType::q8_0, Shape{32, 8}));
  EXPECT_TRUE((TensorRange{8, 8}.is_inside(16)));
  EXPECT_FALSE((TensorRange{9, 8}.is_inside(16)));
  EXPECT_FALSE((TensorRange{17, 0}.is_inside(16)));
}

TEST(GgufMetadata, ReadsFromWhereTheCursorStands) {
  GgufBuilder file;
  file.put(std::uint32_t{7}).u32("k", 5);
  ByteCursor in(std::as_bytes(std::span(file.bytes())));
  std::uint32_t first = 0;
  ASSERT_TRUE(in.read(first));
  auto metadata = read_gguf_metadata(in, 1, GgufLimits{});
  ASSERT_TRUE(metadata);
  EXPECT_EQ(metadata->at("k"), MetaValue(std::uint64_t{5}));
  EXPECT_EQ(in.remaining(), 0u);
}

TEST(GgufHeader, MetadataBytesAreLimited) {
  const auto bytes = with_metadata(3, [](GgufBuilder& file) {
    for (const char* key : {"a", "b", "c"}) file.string(key, std::string(500, 'x'));
  });
  GgufLimits limits;
  limits.max_metadata_bytes = 1000;
  auto header = parse_gguf(std::as_bytes(std::span(bytes)), limits);
  ASSERT_FALSE(header);
  EXPECT_THAT(header.error().message, HasSubstr("over 1000 bytes"));
}

}  // namespace
}  // namespace millrace::weights
