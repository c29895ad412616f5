// Opening files and folders: everything that needs a file system.
#include "weights/weight_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <functional>
#include <string>

#include "weights/file_errors.h"
#include "weights/gguf_builder.h"
#include "weights/gguf_checks.h"
#include "weights/gguf_split.h"
#include "weights/mapped_weights.h"
#include "weights/safetensors.h"
#include "weights/test_files.h"

namespace millrace::weights {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string safetensors_file(const std::string& header, const std::string& data) {
  const std::uint64_t size = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &size, 8);
  return file + header + data;
}

std::string one_tensor(const std::string& name, std::uint8_t value) {
  return safetensors_file("{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                          std::string(1, static_cast<char>(value)));
}

// Part `index` of `count`, holding one f32 tensor of that index as value.
std::string split_part(std::uint16_t index, std::uint16_t count, const std::string& tensor) {
  GgufBuilder file;
  file.header(1, 4).key("split.no", kU16).put(index).key("split.count", kU16).put(count);
  file.key("split.tensors.count", kI32).put(std::int32_t{count});
  file.u32("general.from_part", index);
  return file.tensor(tensor, {1}, 0, 0).pad().put(static_cast<float>(index)).bytes();
}

std::string vocabulary_model(const std::function<void(GgufBuilder&)>& extra, std::uint64_t pairs) {
  GgufBuilder file;
  file.header(1, 2 + pairs).string("general.architecture", "llama");
  file.strings("tokenizer.ggml.tokens", {"a", "b", "c"});
  extra(file);
  return file.tensor("token_embd.weight", {8, 3}, 0, 0).pad().data(96).bytes();
}

// The error of opening `path`, which must fail without a word about where it lies.
std::string error_of(const std::filesystem::path& path) {
  auto opened = open_weights(path);
  EXPECT_FALSE(opened) << path;
  if (opened) return "";
  EXPECT_THAT(opened.error().message, Not(HasSubstr(path.parent_path().string())));
  return opened.error().message;
}

TEST(OpenWeights, TakesEveryKindOfPath) {
  const ScratchFolder folder;
  folder.write("model.safetensors", one_tensor("s", 7));
  auto from_folder = open_weights(folder.path());
  ASSERT_TRUE(from_folder) << from_folder.error().message;
  EXPECT_EQ(*static_cast<const std::uint8_t*>((*from_folder)->find("s")->data), 7);
  EXPECT_TRUE(open_weights(folder.path() / "model.safetensors"));

  const ScratchFolder gguf;
  const auto file = gguf.write("m.gguf", vocabulary_model([](GgufBuilder&) {}, 0));
  auto opened = open_weights(gguf.path());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_THAT((*opened)->names(), ElementsAre("token_embd.weight"));
  EXPECT_EQ((*opened)->num_bytes(), std::filesystem::file_size(file));
  EXPECT_EQ((*opened)->find("other"), nullptr);
  (*opened)->release(*(*opened)->find("token_embd.weight"));
  EXPECT_TRUE((*opened)->still_intact());

  gguf.write("n.gguf", "");
  EXPECT_THAT(error_of(gguf.path()), HasSubstr("2 GGUF models"));
}

TEST(OpenWeights, NamesWhatIsMissing) {
  const ScratchFolder folder;
  EXPECT_THAT(error_of(folder.path()), HasSubstr("neither"));
  EXPECT_THAT(error_of(folder.path() / "no.gguf"), HasSubstr("no.gguf: "));
  EXPECT_EQ(open_weights(folder.path() / "no.gguf").error().kind, ErrorKind::not_found);
  EXPECT_THAT(error_of(folder.write("model.bin", "x")), HasSubstr("neither"));
  EXPECT_THAT(error_of(folder.write("empty.gguf", "")), HasSubstr("empty.gguf: too short"));
  EXPECT_THAT(error_of(folder.write("e.safetensors", "")), HasSubstr("e.safetensors: too short"));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe.gguf").c_str(), 0600), 0);
  EXPECT_THAT(error_of(folder.path() / "pipe.gguf"), HasSubstr("not a regular file"));
}

TEST(OpenWeights, MetadataLookUpsConvertAndTellTypesApart) {
  const ScratchFolder folder;
  folder.write("m.gguf", vocabulary_model(
                             [](GgufBuilder& file) {
                               file.key("i", kI8).put(std::int8_t{-2}).u32("u", 5);
                               file.key("f", kF32).put(0.5f).key("b", kBool).put(std::uint8_t{1});
                               file.key("big", kU64).put(~std::uint64_t{0});
                             },
                             5));
  auto opened = open_weights(folder.path());
  ASSERT_TRUE(opened) << opened.error().message;
  const WeightFile& file = **opened;
  EXPECT_EQ(meta_int(file, "i"), -2);
  EXPECT_EQ(meta_int(file, "u"), 5);
  EXPECT_EQ(meta_int(file, "big"), std::nullopt);
  EXPECT_EQ(meta_int(file, "f"), std::nullopt);
  EXPECT_EQ(meta_double(file, "f"), 0.5);
  EXPECT_EQ(meta_double(file, "u"), std::nullopt);
  EXPECT_EQ(meta_bool(file, "b"), true);
  EXPECT_EQ(meta_bool(file, "u"), std::nullopt);
  EXPECT_EQ(*meta_string(file, "general.architecture"), "llama");
  EXPECT_EQ(meta_string(file, "absent"), nullptr);
  EXPECT_EQ(meta_strings(file, "tokenizer.ggml.tokens")->size(), 3u);
}

TEST(OpenGguf, RefusesFieldsThatDoNotAgree) {
  struct Case {
    const char* says;
    std::function<void(GgufBuilder&)> extra;
    std::uint64_t pairs = 1;
  };
  const std::vector<Case> cases = {
      {"scores", [](auto& f) { f.array("tokenizer.ggml.scores", kF32, 1).put(0.0f); }},
      {"token_type", [](auto& f) { f.array("tokenizer.ggml.token_type", kI32, 0); }},
      {"bos_token_id 3", [](auto& f) { f.u32("tokenizer.ggml.bos_token_id", 3); }},
      {"eos_token_id -2", [](auto& f) { f.key("tokenizer.ggml.eos_token_id", kI32).put(-2); }},
      {"unknown_token_id", [](auto& f) { f.string("tokenizer.ggml.unknown_token_id", "0"); }},
      {"vocab_size", [](auto& f) { f.u32("llama.vocab_size", 4); }},
      {"context_length", [](auto& f) { f.u32("llama.context_length", 1u << 31); }},
      {"head_count", [](auto& f) { f.u32("llama.attention.head_count", 0); }},
      {"block_count", [](auto& f) { f.string("llama.block_count", "2"); }},
      {"embedding_length", [](auto& f) { f.key("llama.embedding_length", kI32).put(-8); }},
      {"embedding_length is not a multiple",
       [](auto& f) { f.u32("llama.embedding_length", 8).u32("llama.attention.head_count", 3); }, 2},
  };
  const ScratchFolder folder;
  for (const auto& hostile : cases) {
    const auto path = folder.write("m.gguf", vocabulary_model(hostile.extra, hostile.pairs));
    EXPECT_THAT(error_of(path), HasSubstr(hostile.says));
  }
  GgufBuilder rows;
  rows.header(1, 1).strings("tokenizer.ggml.tokens", {"a"});
  rows.tensor("token_embd.weight", {8, 2}, 0, 0).pad().data(64);
  EXPECT_THAT(error_of(folder.write("m.gguf", rows.bytes())), HasSubstr("token_embd.weight"));
  // A missing token is often written as 2^32 - 1.
  EXPECT_TRUE(open_weights(folder.write(
      "m.gguf",
      vocabulary_model([](auto& f) { f.u32("tokenizer.ggml.padding_token_id", 0xffffffff); }, 1))));
}

TEST(OpenGguf, ChecksAnyWeightFile) {
  MappedWeights weights;
  EXPECT_TRUE(check_gguf_fields(weights));
  weights.mutable_metadata()["tokenizer.ggml.tokens"] = std::vector<std::string>{"a"};
  EXPECT_TRUE(check_gguf_fields(weights));
  weights.mutable_metadata()["tokenizer.ggml.bos_token_id"] = std::uint64_t{1};
  EXPECT_FALSE(check_gguf_fields(weights));
}

TEST(FileErrors, CarryNoRawBytesAndOneFileName) {
  EXPECT_EQ(shown_name("a.b"), "\"a.b\"");
  EXPECT_EQ(shown_name(std::string("a\n\0\xff", 4)), "\"a???\"");
  EXPECT_LE(shown_name(std::string(5000, 'x')).size(), 90u);
  auto error = in_file("m.gguf", bad_file("wrong").error());
  EXPECT_EQ(error.error().message, "m.gguf: wrong");
  EXPECT_EQ(in_file("m.gguf", error.error()).error().message, "m.gguf: wrong");
}

TEST(GgufSplit, NamesOfParts) {
  const auto split = parse_split_name("big-model-00002-of-00012.gguf");
  ASSERT_TRUE(split);
  EXPECT_EQ(split->stem, "big-model");
  EXPECT_EQ(split->index, 1);
  EXPECT_EQ(split->count, 12);
  EXPECT_EQ(split_name(*split, 11), "big-model-00012-of-00012.gguf");
  for (const char* name :
       {"m.gguf", "m-00000-of-00002.gguf", "m-00003-of-00002.gguf", "-00001-of-00002.gguf",
        "m-0001-of-00002.gguf", "m-00001-of-0000x.gguf", "m-00001-of-00002.bin"}) {
    EXPECT_FALSE(parse_split_name(name)) << name;
  }
}

TEST(OpenGguf, JoinsTheParts) {
  const ScratchFolder folder;
  folder.write("m-00001-of-00003.gguf", split_part(0, 3, "a"));
  folder.write("m-00002-of-00003.gguf", split_part(1, 3, "b"));
  folder.write("m-00003-of-00003.gguf", split_part(2, 3, "c"));
  auto opened = open_weights(folder.path());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_THAT((*opened)->names(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(meta_int(**opened, "general.from_part"), 0);
  float value = 0;
  dequantise(*(*opened)->find("c"), 0, 1, &value);
  EXPECT_EQ(value, 2.0f);
  EXPECT_THAT(error_of(folder.path() / "m-00002-of-00003.gguf"),
              HasSubstr("open its first part, m-00001-of-00003.gguf"));
}

TEST(OpenGguf, RefusesWrongParts) {
  const auto error_with = [](const std::function<void(const ScratchFolder&)>& fill) {
    const ScratchFolder folder;
    fill(folder);
    return error_of(folder.path() / "m-00001-of-00002.gguf");
  };
  const std::string first = "m-00001-of-00002.gguf", second = "m-00002-of-00002.gguf";
  EXPECT_THAT(error_with([&](auto& f) { f.write(first, split_part(0, 2, "a")); }),
              HasSubstr("no such file"));
  EXPECT_THAT(error_with([&](auto& f) {  // the first part again
                f.write(first, split_part(0, 2, "a"));
                f.write(second, split_part(0, 2, "b"));
              }),
              HasSubstr("split.no is not 1"));
  EXPECT_THAT(error_with([&](auto& f) {
                f.write(first, split_part(0, 2, "a"));
                f.write(second, split_part(1, 2, "a"));
              }),
              HasSubstr("occurs in two parts"));
  EXPECT_THAT(error_with([&](auto& f) {
                f.write(first, split_part(0, 2, "a"));
                f.write(second, split_part(1, 3, "b"));
              }),
              HasSubstr("split.count"));
  EXPECT_THAT(error_with([&](auto& f) {  // a part that is a link to the first
                f.write(first, split_part(0, 2, "a"));
                std::filesystem::create_symlink(first, f.path() / second);
              }),
              HasSubstr("does not name a file"));
  EXPECT_THAT(error_with([&](auto& f) {
                f.write(first, split_part(0, 2, "a"));
                f.write(second, split_part(1, 2, "b").substr(0, 60));
              }),
              HasSubstr(second));
  const ScratchFolder lone;  // says it has parts, but its name does not
  EXPECT_THAT(error_of(lone.write("m.gguf", split_part(0, 2, "a"))), HasSubstr("split.count"));
}

constexpr const char* kIndex = "model.safetensors.index.json";

TEST(OpenSafetensors, JoinsTheShardsOfAnIndex) {
  const ScratchFolder folder;
  folder.write("one.safetensors", one_tensor("a", 1));
  folder.write("two.safetensors", one_tensor("b", 2));
  folder.write(kIndex, R"({"metadata":{"total_size":2},
      "weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  auto opened = open_weights(folder.path());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_THAT((*opened)->names(), ElementsAre("a", "b"));
  EXPECT_EQ(*static_cast<const std::uint8_t*>((*opened)->find("b")->data), 2);
  EXPECT_TRUE(open_safetensors_index(folder.path() / kIndex));
}

TEST(OpenSafetensors, RefusesHostileIndexes) {
  const ScratchFolder outside;
  outside.write("secret.safetensors", one_tensor("a", 1));
  const ScratchFolder folder;
  folder.write("one.safetensors", one_tensor("a", 1));
  std::filesystem::create_symlink(outside.path() / "secret.safetensors",
                                  folder.path() / "link.safetensors");
  folder.write("twin.safetensors", one_tensor("a", 1));
  std::filesystem::create_hard_link(folder.path() / "twin.safetensors",
                                    folder.path() / "hard.safetensors");
  ASSERT_EQ(::mkfifo((folder.path() / "pipe.safetensors").c_str(), 0600), 0);
  const std::string up = "../" + outside.path().filename().string() + "/secret.safetensors";
  const std::string absolute = (outside.path() / "secret.safetensors").string();
  for (const std::string& name :
       {up, absolute, std::string("link.safetensors"), std::string("hard.safetensors"),
        std::string("pipe.safetensors"), std::string("/dev/zero"), std::string(""),
        std::string("."), std::string("absent.safetensors"), std::string("a\\u0000b")}) {
    const auto index = folder.write(kIndex, R"({"weight_map":{"a":")" + name + "\"}}");
    EXPECT_THAT(error_of(index), HasSubstr("not a file of the model's folder")) << name;
  }
  const auto error_with = [&](const std::string& text) {
    return error_of(folder.write(kIndex, text));
  };
  EXPECT_THAT(error_with("{"), HasSubstr("Invalid JSON"));
  EXPECT_THAT(error_with("[]"), HasSubstr("weight_map"));
  EXPECT_THAT(error_with(R"({"weight_map":[]})"), HasSubstr("weight_map"));
  EXPECT_THAT(error_with(R"({"weight_map":{"a":1}})"), HasSubstr("does not name a file"));
  EXPECT_THAT(error_with(R"({"weight_map":{"z":"one.safetensors"}})"), HasSubstr("is missing"));
  EXPECT_THAT(error_with(R"({"weight_map":{"a":"one.safetensors","a":"one.safetensors"}})"),
              HasSubstr("duplicate key"));
  std::string many = R"({"weight_map":{)";
  for (int i = 0; i < 2000; ++i) {
    many += '"' + std::to_string(i) + R"(":"s)" + std::to_string(i) + ".safetensors\",";
  }
  many.back() = '}';
  EXPECT_THAT(error_with(many + "}"), HasSubstr("too many files"));
}

TEST(OpenSafetensors, CopiesTensorsThatAreNotAligned) {
  const ScratchFolder folder;
  std::string data(9, '\0');
  const float value = 1.25f;
  std::memcpy(data.data() + 1, &value, 4);
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  while (header.size() % 8 != 0) header += ' ';
  auto opened = open_weights(folder.write("m.safetensors", safetensors_file(header, data)));
  ASSERT_TRUE(opened) << opened.error().message;
  const TensorView* b = (*opened)->find("b");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b->data) % alignof(float), 0u);
  EXPECT_EQ(*static_cast<const float*>(b->data), 1.25f);
  (*opened)->release(*b);  // nothing of the file to give back
}

}  // namespace
}  // namespace millrace::weights
