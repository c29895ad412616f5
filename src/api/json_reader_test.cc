#include "api/json_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include "api/json_text.h"

namespace millrace::api {
namespace {

json::value tree_of(JsonReader& reader) {
  if (reader.kind() == JsonReader::Kind::object) {
    json::object object;
    std::string_view key;
    for (reader.open_object(); reader.next_key(key);) object[std::string(key)] = tree_of(reader);
    return object;
  }
  if (reader.kind() == JsonReader::Kind::array) {
    json::array array;
    for (reader.open_array(); reader.next_element();) array.push_back(tree_of(reader));
    return array;
  }
  const JsonScalar scalar = reader.scalar();
  if (const auto* text = std::get_if<std::string_view>(&scalar)) {
    return json::value(std::string(*text));
  }
  if (const auto* flag = std::get_if<bool>(&scalar)) return *flag;
  if (const auto* number = std::get_if<std::int64_t>(&scalar)) return *number;
  if (const auto* large = std::get_if<std::uint64_t>(&scalar)) return *large;
  if (const auto* real = std::get_if<double>(&scalar)) return *real;
  return nullptr;
}

std::optional<json::value> read(std::string_view text, const JsonLimits& limits = {}) {
  JsonReader reader(text, limits);
  json::value value = tree_of(reader);
  if (!reader.finished()) return std::nullopt;
  return value;
}

bool skips(std::string_view text, const JsonLimits& limits = {}) {
  JsonReader reader(text, limits);
  reader.skip();
  return reader.finished();
}

// The parser rounds the last bit of a fraction otherwise.
bool nearly_equal(const json::value& a, const json::value& b) {
  if (a.is_double() && b.is_double()) {
    const double x = a.as_double(), y = b.as_double();
    return x == y || std::abs(x - y) <= 1e-14 * std::abs(y) || std::abs(x - y) < 1e-300;
  }
  if (a.kind() != b.kind()) return false;
  if (const auto* list = a.if_array()) {
    return std::ranges::equal(*list, b.as_array(), nearly_equal);
  }
  if (const auto* object = a.if_object()) {
    return std::ranges::equal(*object, b.as_object(), [](const auto& x, const auto& y) {
      return x.key() == y.key() && nearly_equal(x.value(), y.value());
    });
  }
  return a == b;
}

void expect_as_parser(std::string_view text, const JsonLimits& limits = {}) {
  const auto parsed = parse_json(text, limits);
  const auto mine = read(text, limits);
  ASSERT_EQ(mine.has_value(), parsed.has_value()) << text;
  EXPECT_EQ(skips(text, limits), parsed.has_value()) << text;
  if (parsed) {
    EXPECT_TRUE(nearly_equal(*mine, *parsed)) << text;
  }
}

const char* const kTexts[] = {
    R"( {"a":[1,-2,18446744073709551615,1.5e3,"x\u00e9\n",true,null],"b":{}} )",
    R"([[1,[2]],{"k":{"m":[3]},"n":4},5])",
    R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1.5,2.25e-3,-3,0.1]}]})",
    R"(["\ud83d\ude00","\u0000","\/\b\f\"\\","😀ü你","long enough for eight at once \u00fc"])",
    R"([0,-0,-0.0,1e5,1E+5,1e-400,9223372036854775807,9223372036854775808,-9223372036854775808,
        -9223372036854775809,18446744073709551616,1e308,0.1e-1,123456789012345678901234567890])",
    "",
    " ",
    "{",
    "[1,]",
    "[,1]",
    "[1 2]",
    R"({"a":1,})",
    R"({"a" 1})",
    R"({"a":})",
    R"({a:1})",
    R"({1:1})",
    "nul",
    "nulll",
    "tru",
    "NaN",
    "-Infinity",
    "01",
    "-",
    "-a",
    "1.",
    ".5",
    "1e",
    "1e+",
    "1e-2147483647",
    "1e-2147483648",
    "0e99999999999",
    "+1",
    "'a'",
    "[1] x",
    "[1]]",
    R"("\ud800")",
    R"("\ud800\u0041")",
    R"("\udc00")",
    R"("\x41")",
    R"("\u00g0")",
    R"("\u12)",
    R"("abc)",
    R"("abc\)",
    "\"\xff\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xe4\xbd\"",
    "\"\\n\xe4\xbd\"",
    "\"\x7f\"",
    "\xef\xbb\xbf{}",
    R"({"a":1,"a":2})",
    R"({"a":1,"\u0061":2})",
    R"({"a":{"a":1},"b":{"a":1}})",
    "\"\t\"",
    "1e999",
    "-1e999",
    "[1}",
    "{]",
    "// c\n1",
    "[1,/**/2]",
    "\v1",
    "1 2"};

TEST(JsonReader, TakesWhatTheParserTakes) {
  for (const char* text : kTexts) expect_as_parser(text);
  expect_as_parser(std::string_view("1\0", 2));
  expect_as_parser(std::string_view("\"\0\"", 3));
}

TEST(JsonReader, HoldsTheParsersLimits) {
  const JsonLimits limits{
      .max_bytes = 60, .max_depth = 3, .max_keys_per_object = 2, .max_values = 5};
  for (const char* text :
       {"[[[1]]]", "[[[[1]]]]", "[[[]]]", "[[[{}]]]", "[1,2,3,4]", "[1,2,3,4,5]", "[1,2,3,[]]",
        "[1,2,3,4,[]]", R"({"a":1,"b":2})", R"({"a":1,"b":2,"c":3})",
        R"("                                                        ")",
        R"("                                                         ")"}) {
    expect_as_parser(text, limits);
  }
  for (const std::size_t depth : {63, 64, 65, 66, 1000}) {
    expect_as_parser(std::string(depth, '[') + std::string(depth, ']'));
    std::string objects;
    for (std::size_t i = 0; i < depth; ++i) objects += R"({"a":)";
    expect_as_parser(objects + "1" + std::string(depth, '}'));
  }
}

TEST(JsonReader, SeesAKeyThatComesTwiceAmongMany) {
  for (const int again : {0, 7, 15, 16, 17, 99}) {
    std::string text = "{";
    for (int i = 0; i < 100; ++i) text += '"' + std::to_string(i) + R"(":{"0":[{"1":0}]},)";
    expect_as_parser(text + R"("x":1})");
    expect_as_parser(text + '"' + std::to_string(again) + R"(":1})");
  }
}

// Texts that are broken a little: both take them or neither does.
TEST(JsonReader, AgreesAboutDamagedTexts) {
  std::mt19937 random(7);
  constexpr std::string_view kBytes = "{}[]\",:\\u0 1-.eE+truefalsnd\x01\x80\xc3\xa4\xf0";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = kTexts[random() % 5];
    for (auto changes = 1 + random() % 3; changes > 0 && !text.empty(); --changes) {
      const std::size_t at = random() % text.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 3) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.erase(at, 1 + random() % 3);
          break;
        default:
          text.insert(at, 1, byte);
      }
    }
    expect_as_parser(text);
    if (HasFatalFailure()) return;
  }
}

TEST(JsonReader, GivesTheTextOfWhatItSkips) {
  JsonReader reader(R"({"a": [1, {"b":"]"}] ,"c":2})", JsonLimits());
  std::string_view key;
  reader.open_object();
  ASSERT_TRUE(reader.next_key(key));
  EXPECT_EQ(reader.skip(), R"([1, {"b":"]"}])");
  ASSERT_TRUE(reader.next_key(key));
  EXPECT_EQ(key, "c");
  EXPECT_EQ(reader.scalar(), JsonScalar(std::int64_t{2}));
  EXPECT_FALSE(reader.next_key(key));
  EXPECT_TRUE(reader.finished());
}

TEST(JsonReader, IsHarmlessOnceItHasFailed) {
  JsonReader reader("[x", JsonLimits());
  reader.open_array();
  EXPECT_FALSE(reader.next_element());
  EXPECT_TRUE(reader.failed());
  std::string_view key;
  EXPECT_FALSE(reader.next_element());
  EXPECT_FALSE(reader.next_key(key));
  EXPECT_EQ(reader.kind(), JsonReader::Kind::none);
  EXPECT_EQ(reader.scalar(), JsonScalar());
  EXPECT_EQ(reader.skip(), "");
  EXPECT_FALSE(reader.finished());
}

TEST(JsonText, FindsTheFirstByteThatIsNotPlain) {
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string text(size, 'x');
    EXPECT_EQ(num_plain_in_json(text), size);
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'"', '\\', '\x1f', '\0', '\x80', '\xff'}) {
        std::string marked = text;
        marked[at] = c;
        EXPECT_EQ(num_plain_in_json(marked), at);
      }
      for (const char c : {' ', '!', '#', '[', ']', '\x7f'}) {
        std::string marked = text;
        marked[at] = c;
        EXPECT_EQ(num_plain_in_json(marked), size);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::api
