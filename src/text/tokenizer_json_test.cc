#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/json.h"
#include "text/tokenizer.h"
#include "text/vocab_data_for_test.h"

namespace millrace::text {
namespace {

// A small byte-level tokenizer; `change` edits its JSON before it is read.
json::value small_file() {
  return *parse_json(R"({
    "added_tokens": [{"id": 6, "content": "<|end|>", "special": true, "normalized": false},
                     {"id": 8, "content": "<kept>", "special": false}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [6], "tokens": ["<|end|>"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
      "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
      "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "Ã": 5, "©": 7},
      "merges": ["a b", ["Ġ", "ab"]]}})");
}

template <class Change>
std::string error_of(Change change) {
  json::value file = small_file();
  change(file);
  const auto tokenizer = tokenizer_from_json(dump_json(file));
  return tokenizer ? "none" : tokenizer.error().message;
}

TEST(TokenizerJson, ReadsASmallFile) {
  const auto read = tokenizer_from_json(
      dump_json(small_file()), R"({"bos_token": null, "eos_token": {"content": "<|end|>"}})");
  ASSERT_TRUE(read) << read.error().message;
  const Tokenizer& tokenizer = **read;
  EXPECT_EQ(tokenizer.encode("ab ab<|end|>é<kept>"), (std::vector<TokenId>{6, 3, 4, 6, 5, 7, 8}));
  EXPECT_EQ(tokenizer.encode("ab", {.add_special_tokens = false}), std::vector<TokenId>{3});
  EXPECT_EQ(
      tokenizer.encode("<|end|>", {.add_special_tokens = false, .parse_special_tokens = false}),
      std::vector<TokenId>{});  // its characters have no tokens here
  EXPECT_EQ(tokenizer.vocab_size(), 9);
  EXPECT_EQ(tokenizer.eos_token(), 6);
  EXPECT_EQ(tokenizer.bos_token(), -1);
  EXPECT_TRUE(tokenizer.is_special(6));
  EXPECT_FALSE(tokenizer.is_special(8));
  EXPECT_FALSE(tokenizer.is_special(-1));
  EXPECT_EQ(tokenizer.token_bytes(4), " ab");
  EXPECT_EQ(tokenizer.token_bytes(5), "\xC3");
  EXPECT_EQ(tokenizer.token_bytes(99), "");
  EXPECT_EQ(tokenizer.find("Ġab"), 4);
  EXPECT_EQ(tokenizer.find("nope"), std::nullopt);
  EXPECT_EQ(tokenizer.longest_token_bytes(), 7u);
  EXPECT_FALSE(tokenizer.strips_leading_space());
  EXPECT_EQ(decode(tokenizer, {3, 6, 4, 5, 7, 5}), "ab ab\u00e9\uFFFD");
}

TEST(TokenizerJson, MetaspacePrefixes) {
  json::value file = small_file();
  file.at("pre_tokenizer") = *parse_json(
      R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})");
  file.at("decoder") =
      *parse_json(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always"})");
  file.at("post_processor") = nullptr;
  file.at("model").at("vocab") = *parse_json(R"({"▁":0,"a":1,"▁a":2,"<unk>":3})");
  file.at("model").at("merges") = *parse_json(R"(["▁ a"])");
  file.at("model").at("unk_token") = "<unk>";
  const auto read = tokenizer_from_json(dump_json(file));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ((*read)->encode("a  a"), (std::vector<TokenId>{2, 0, 2}));
  EXPECT_EQ((*read)->encode(" a<|end|>a"), (std::vector<TokenId>{2, 6, 2}));
  EXPECT_EQ((*read)->encode("x"), (std::vector<TokenId>{0, 3}));
  EXPECT_EQ(decode(**read, {2, 0, 2}), "a  a");
  EXPECT_TRUE((*read)->strips_leading_space());
}

TEST(TokenizerJson, RefusesHostileFilesByField) {
  const auto model = [](json::value& file, const char* key) -> json::value& {
    return file.at("model").as_object()[key];
  };
  const auto merges = [&](const char* text) {
    return error_of([&](auto& file) { model(file, "merges") = *parse_json(text); });
  };
  const auto vocab = [&](const char* text) {
    return error_of([&](auto& file) { model(file, "vocab") = *parse_json(text); });
  };
  const auto added = [&](const char* text) {
    return error_of([&](auto& file) { file.at("added_tokens") = *parse_json(text); });
  };
  EXPECT_EQ(merges(R"(["a bbbbbbbbbbbbbbbbbbbbbbbbbbbb"])"),
            "model.merges[0]: 'bbbbbbbbbbbbbbbbbbbbbbbbbbbb' is not a token");
  EXPECT_EQ(merges(R"(["a b", "b a"])"), "model.merges[1]: 'ba' is not a token");
  for (const char* text : {R"(["ab"])", R"(["a b c"])", R"([["a"]])", R"([["a", 1]])", "[7]", "{}",
                           "null", R"([" "])", R"([["", "a"]])"}) {
    EXPECT_TRUE(merges(text).starts_with("model.merges")) << text << ": " << merges(text);
  }
  EXPECT_EQ(vocab(R"({"a": 0, "b": 0})"), "model.vocab: the id 0 is given to 'a' and 'b'");
  for (const char* text :
       {R"({"a": -1})", R"({"a": 4294967296})", R"({"a": 2097151})", R"({"a": 1.5})",
        R"({"a": "0"})", "{}", "[]", "null", R"({"a": 18446744073709551615})"}) {
    EXPECT_TRUE(vocab(text).starts_with("model.vocab")) << text << ": " << vocab(text);
  }
  for (const char* text :
       {R"([{"id": 9, "content": ""}])", R"([{"id": -3, "content": "x"}])", R"([{"content": "x"}])",
        R"([{"id": 3, "content": "x"}])", R"([{"id": 99999999, "content": "x"}])", "[7]", "7",
        R"([{"id": 9, "content": "x", "special": "no"}])", R"([{"id": 9}])"}) {
    EXPECT_TRUE(added(text).starts_with("added_tokens")) << text << ": " << added(text);
  }
  const auto set = [&](const char* key, json::value value) {
    return error_of([&](auto& file) { model(file, key) = std::move(value); });
  };
  EXPECT_EQ(set("type", "WordPiece"), "model.type: 'WordPiece' is not supported");
  EXPECT_EQ(set("unk_token", "<none>"), "model.unk_token: '<none>' is not a token");
  EXPECT_TRUE(set("dropout", 0.1).starts_with("model.dropout"));
  EXPECT_EQ(set("dropout", 0.0), "none");
  EXPECT_TRUE(set("continuing_subword_prefix", "##").starts_with("model.continuing"));
  EXPECT_TRUE(set("byte_fallback", 3).starts_with("model.byte_fallback"));
}

TEST(TokenizerJson, RefusesBrokenDocumentsAndComponents) {
  for (const char* text : {"", "null", "[]", "{}", "{\"model\": 7}", "{", "{\"model\": {}}"}) {
    EXPECT_FALSE(tokenizer_from_json(text)) << text;
  }
  EXPECT_FALSE(tokenizer_from_json(dump_json(small_file()), "{"));
  EXPECT_FALSE(tokenizer_from_json(std::string(10'000, '[')));
  const auto component = [&](const char* name, const char* text) {
    return error_of([&](auto& file) { file.as_object()[name] = *parse_json(text); });
  };
  EXPECT_TRUE(
      component("post_processor", R"({"type":"BertProcessing","sep":["x",90],"cls":["y",0]})")
          .starts_with("post_processor"));
  EXPECT_TRUE(component("normalizer", R"({"type":"Nmt"})").starts_with("normalizer"));
  EXPECT_TRUE(component("pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"(?<n"}})")
                  .starts_with("pre_tokenizer"));
  const std::string long_token = dump_json(json::value(std::string(1'000'000, 'x')));
  EXPECT_TRUE(component("added_tokens", (R"([{"id": 9, "content": )" + long_token + "}]").c_str())
                  .starts_with("added_tokens"));
  std::string chain = R"({"type":"Lowercase"})";
  for (int i = 0; i < 9'999; ++i) chain += R"(,{"type":"Lowercase"})";
  EXPECT_TRUE(
      component("normalizer", (R"({"type":"Sequence","normalizers":[)" + chain + "]}").c_str())
          .starts_with("normalizer"));
  const std::string content = dump_json(json::value(std::string(1000, 'x')));
  EXPECT_TRUE(
      component(
          "normalizer",
          (R"({"type":"Replace","pattern":{"String":"a"},"content":)" + content + "}").c_str())
          .starts_with("normalizer"));
}

TEST(TokenizerJson, RegexBombsInAFileEnd) {
  json::value file = small_file();
  file.at("pre_tokenizer") = *parse_json(R"({"type":"Sequence","pretokenizers":[
      {"type":"Split","pattern":{"Regex":"(a+)+c"},"behavior":"Isolated","invert":false},
      {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})");
  const auto tokenizer = tokenizer_from_json(dump_json(file));
  ASSERT_TRUE(tokenizer);
  const TimePoint begun = Clock::now();
  EXPECT_EQ((*tokenizer)->encode(std::string(100'000, 'a')).size(), 100'001u);
  EXPECT_LT(seconds_between(begun, Clock::now()), 5);
}

TEST(TokenizerJson, RefusesTheBrokenMergesOfTheDataFolder) {
  const auto file = test::data_file("B_tokenizers/hf_tokenizer_json/llama2/tokenizer.json");
  if (!file) GTEST_SKIP() << "no data folder";
  const auto refused = tokenizer_from_json(test::read_all(*file));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message.starts_with("model.merges[18917]"))
      << refused.error().message;
}

}  // namespace
}  // namespace millrace::text
