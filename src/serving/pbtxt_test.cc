#include "serving/pbtxt.h"

#include <gtest/gtest.h>

#include <random>

#include "serving/pbtxt_fields.h"

namespace millrace::serving {
namespace {

PbtxtMessage parsed(std::string_view text) {
  auto message = parse_pbtxt(text, "c.pbtxt");
  EXPECT_TRUE(message) << message.error().message;
  return message ? *message : PbtxtMessage();
}

std::string error_of(std::string_view text) {
  const auto message = parse_pbtxt(text, "c.pbtxt");
  return message ? "" : message.error().message;
}

TEST(Pbtxt, ReadsFieldsListsAndMessages) {
  const auto m = parsed(R"(# a comment
name: "a" 'b'   # two texts are one
size: -8, rate: 1.5e3f; kind: KIND_CPU
dims: [ 1, -1 ]
dims: 3
input [ { name: "x" }, { name: "y" } ]
one { two < three: true > }
empty: []
text: "tab\t\x41\101\"")");
  EXPECT_EQ(m.find("name")->text, "ab");
  EXPECT_EQ(m.find("name")->kind, PbtxtField::Kind::string);
  EXPECT_EQ(m.find("size")->text, "-8");
  EXPECT_EQ(m.find("rate")->text, "1.5e3f");
  EXPECT_EQ(m.find("kind")->text, "KIND_CPU");
  std::string dims;
  for (const auto& field : m.fields) {
    if (field.name == "dims") dims += field.text + " ";
  }
  EXPECT_EQ(dims, "1 -1 3 ");
  EXPECT_EQ(m.find("input")->message.find("name")->text, "y") << "the last";
  EXPECT_EQ(m.find("input")->line, 6);
  EXPECT_EQ(m.find("one")->message.find("two")->message.find("three")->text, "true");
  EXPECT_EQ(m.find("text")->text, "tab\tAA\"");
  EXPECT_EQ(m.find("empty"), nullptr);
}

TEST(Pbtxt, ErrorsNameFileAndLine) {
  EXPECT_EQ(error_of("a: 1\nb 2"), "c.pbtxt:2: ':' is missing behind 'b'");
  EXPECT_EQ(error_of("a {\n b: 1"), "c.pbtxt:2: '}' is missing at the end");
  EXPECT_EQ(error_of("a: \"x\ny\""), "c.pbtxt:1: a string has no end");
  EXPECT_EQ(error_of("a: \"\\q\""), "c.pbtxt:1: a string has an escape that is not known");
  EXPECT_EQ(error_of("a: [1 2]"), "c.pbtxt:1: the list of 'a' lacks a ',' or ']'");
  EXPECT_EQ(error_of("a:"), "c.pbtxt:1: 'a' has no value");
  EXPECT_EQ(error_of("\n}"), "c.pbtxt:2: a field's name is expected");
}

TEST(Pbtxt, IsBounded) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "a{";
  EXPECT_NE(error_of(deep).find("too deeply"), std::string::npos);
  std::string many;
  for (int i = 0; i < 30'000; ++i) many += "a:1 ";
  EXPECT_NE(error_of(many).find("too many"), std::string::npos);
  EXPECT_FALSE(parse_pbtxt(std::string(kMaxPbtxtBytes + 1, ' '), "c.pbtxt"));
}

TEST(Pbtxt, NoTextHarms) {
  const std::string good = R"(name: "a\x41" dims: [1, -2] o { p < q: 'r' > } # c)";
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (int edits = 0; edits < 3; ++edits) {
      const auto at = random() % text.size();
      const auto what = random() % 3;
      if (what == 0) text[at] = static_cast<char>(random() % 256);
      if (what == 1) text.erase(at, random() % 4 + 1);
      if (what == 2) text.insert(at, text.substr(random() % text.size(), random() % 9));
      if (text.empty()) text = " ";
    }
    (void)parse_pbtxt(text, "c.pbtxt");
  }
}

TEST(PbtxtFields, ReadersAreByNameAndTheRestIsWarnedAbout) {
  std::vector<std::string> warnings;
  const PbtxtSource source{.file = "c.pbtxt", .warnings = &warnings};
  const auto m = parsed("flag: true\nsize: 7\nrate: 0.5\nword: \"w\"\nother: 1");
  bool flag = false;
  std::int64_t size = 0;
  double rate = 0;
  std::string word;
  const Status read =
      read_fields(source, m,
                  {{"flag", [&](const auto& f) { return read_pbtxt(source, f, flag); }},
                   {"size",
                    [&](const auto& f) -> Status {
                      const auto value = read_pbtxt_integer(source, f, 0, 7);
                      size = value.value_or(-1);
                      return {};
                    }},
                   {"rate",
                    [&](const auto& f) -> Status {
                      rate = read_pbtxt_number(source, f).value_or(-1);
                      return {};
                    }},
                   {"word", [&](const auto& f) { return read_pbtxt(source, f, word); }}});
  ASSERT_TRUE(read);
  EXPECT_TRUE(flag);
  EXPECT_EQ(size, 7);
  EXPECT_EQ(rate, 0.5);
  EXPECT_EQ(word, "w");
  EXPECT_EQ(warnings, std::vector<std::string>{"c.pbtxt:5: other means nothing here: ignored"});
  EXPECT_EQ(read_pbtxt_integer(source, *m.find("size"), 0, 6).error().message,
            "c.pbtxt:2: size must be a whole number from 0 to 6");
  EXPECT_FALSE(read_pbtxt(source, *m.find("size"), word));
  EXPECT_FALSE(expect_message(source, *m.find("size")));
}

}  // namespace
}  // namespace millrace::serving
