#include "text/json_stages.h"

#include <gtest/gtest.h>

#include "text/json_fields.h"

namespace millrace::text {
namespace {

json::value parsed(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value();
}

// The message of the error, or "none".
template <class Read>
std::string error_of(Read read, std::string_view text) {
  const auto result = read(parsed(text), "part");
  return result ? "none" : result.error().message;
}

TEST(JsonStages, Normalizers) {
  const auto normalizer = read_normalizer(parsed(R"({"type":"Sequence","normalizers":[
      {"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"},
      {"type":"Replace","pattern":{"Regex":"x+"},"content":"y"},{"type":"Lowercase"},
      {"type":"NFC"},{"type":"Strip","strip_left":true,"strip_right":true}]})"),
                                          "normalizer");
  ASSERT_TRUE(normalizer) << normalizer.error().message;
  EXPECT_EQ(normalizer->apply("A xxB "), "▁a▁yb▁");
  EXPECT_EQ(error_of(read_normalizer, R"({"type":"Precompiled"})"),
            "part.type: 'Precompiled' is not supported");
  EXPECT_EQ(error_of(read_normalizer, "[]"), "part: not an object");
  EXPECT_EQ(error_of(read_normalizer, R"({"type":"Sequence"})"), "part.normalizers: not an array");
  EXPECT_NE(error_of(read_normalizer, R"({"type":"Replace","pattern":{"Regex":"("},"content":""})"),
            "none");
  EXPECT_NE(error_of(read_normalizer, R"({"type":"Replace","pattern":{"String":""},"content":""})"),
            "none");
  EXPECT_NE(error_of(read_normalizer, R"({"type":"Strip","strip_left":1})"), "none");
}

TEST(JsonStages, Pretokenizers) {
  const auto smollm = read_pretokenizer(
      parsed(R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
             {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})"),
      "pre_tokenizer");
  ASSERT_TRUE(smollm);
  EXPECT_TRUE(smollm->byte_level);
  EXPECT_EQ(smollm->stages.size(), 1u);
  const auto metaspace = read_pretokenizer(
      parsed(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false})"),
      "pre_tokenizer");
  ASSERT_TRUE(metaspace);
  EXPECT_EQ(metaspace->preparation.prefix, PiecePreparation::Prefix::first_piece);
  EXPECT_EQ(metaspace->preparation.space, "▁");
  EXPECT_TRUE(metaspace->stages.empty());
  for (const char* broken :
       {R"({"type":"BertPreTokenizer"})", R"({"type":"Split"})",
        R"({"type":"Split","pattern":{"Regex":"a"},"behavior":"Nope"})",
        R"({"type":"Split","pattern":{"Regex":"(a"}})", R"({"type":"Metaspace","replacement":""})",
        R"({"type":"Metaspace","prepend_scheme":"x"})", R"({"type":"ByteLevel","use_regex":"yes"})",
        R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"ByteLevel"}]})",
        R"({"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel"}]})", "7"}) {
    EXPECT_NE(error_of(read_pretokenizer, broken), "none") << broken;
  }
}

TEST(JsonStages, Decoders) {
  const auto llama = read_decoder(
      parsed(
          R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
             {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})"),
      "decoder");
  ASSERT_TRUE(llama);
  EXPECT_TRUE(llama->byte_fallback && llama->strips_leading_space && !llama->byte_level);
  EXPECT_EQ(llama->replacements.size(), 1u);
  EXPECT_NE(error_of(read_decoder, R"({"type":"CTC"})"), "none");
  EXPECT_NE(error_of(read_decoder, R"({"type":"Replace","pattern":{"Regex":"a"},"content":""})"),
            "none");
}

TEST(JsonStages, PostProcessors) {
  const auto both = read_post_processor(parsed(R"({"type":"Sequence","processors":[
      {"type":"ByteLevel"},{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0]},
      {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[B]","type_id":0}},
        {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[E]","type_id":0}}],
        "special_tokens":{"[B]":{"id":"[B]","ids":[7,8],"tokens":["x","y"]},
                          "[E]":{"id":"[E]","ids":[9],"tokens":["z"]}}}]})"),
                                        "post_processor");
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->before, (std::vector<TokenId>{7, 8, 0}));
  EXPECT_EQ(both->after, (std::vector<TokenId>{2, 9}));
  for (
      const char* broken :
      {R"({"type":"Other"})", R"({"type":"TemplateProcessing"})",
       R"({"type":"TemplateProcessing","single":[]})",
       R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"Sequence":{"id":"A"}}]})",
       R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[B]"}},{"Sequence":{"id":"A"}}],
            "special_tokens":{"[B]":{"ids":[-1]}}})",
       R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[B]"}},{"Sequence":{"id":"A"}}],
            "special_tokens":{"[C]":{"ids":[1]}}})",
       R"({"type":"RobertaProcessing","sep":["</s>"],"cls":["<s>",0]})"}) {
    EXPECT_NE(error_of(read_post_processor, broken), "none") << broken;
  }
}

TEST(JsonFields, QuotesShortly) {
  EXPECT_EQ(text::quoted(std::string(100, 'a')).size(), 66u);
}

}  // namespace
}  // namespace millrace::text
