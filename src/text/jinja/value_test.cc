// Values, their text forms, operators and look-ups; whole templates are in chat_template_test.cc.
#include "text/jinja/value.h"

#include <gtest/gtest.h>

#include <string>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/callable.h"
#include "text/jinja/format.h"
#include "text/jinja/json_form.h"
#include "text/jinja/numbers.h"
#include "text/jinja/operators.h"
#include "text/jinja/run.h"
#include "text/jinja/text_form.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

using Rendering = Run;  // testing::Test has a Run() of its own

class Values : public testing::Test {
 protected:
  Value integer(std::int64_t number) { return Value::of(number); }
  Value text(std::string_view text) { return Value::of(text); }

  Rendering run{TemplateLimits{}, std::tm{}};
};

TEST_F(Values, DictsKeepOrderAndFindEqualKeys) {
  Dict dict;
  for (std::int64_t i = 0; i < 100; ++i) dict.set(integer(i), integer(i * i));
  for (const char* key : {"a", "b", "0"}) dict.set(text(key), text(key));
  EXPECT_EQ(dict.entries.size(), 103u);
  EXPECT_EQ(dict.find(integer(50))->integer, 2500);
  EXPECT_EQ(dict.find(Value::of(true))->integer, 1);  // True == 1
  EXPECT_EQ(dict.find(Value::of(7.0))->integer, 49);
  EXPECT_EQ(dict.find(Value::of(7.5)), nullptr);
  EXPECT_EQ(dict.find(text("0"))->text, "0");
  EXPECT_TRUE(dict.erase(integer(50)));
  EXPECT_FALSE(dict.erase(integer(50)));
  EXPECT_EQ(dict.find(integer(51))->integer, 2601);
  EXPECT_EQ(dict.entries[50].first.integer, 51);
  dict.set(integer(51), text("new"));
  EXPECT_EQ(dict.entries.size(), 102u);
  List tuple{ListKind::tuple, false, {integer(1), text("x")}};
  List same{ListKind::tuple, false, {Value::of(1.0), text("x")}};
  dict.set(Value::of(&tuple), text("t"));
  EXPECT_EQ(dict.find(Value::of(&same))->text, "t");
  List list{ListKind::list, false, {}};
  EXPECT_FALSE(is_hashable(Value::of(&list)));
  EXPECT_TRUE(is_hashable(Value::of(&tuple)));
}

TEST_F(Values, TruthAndTypes) {
  List empty, generator{ListKind::generator, false, {}};
  EXPECT_FALSE(truth(Value::of(&empty)));
  EXPECT_TRUE(truth(Value::of(&generator)));
  EXPECT_FALSE(truth(text("")));
  EXPECT_TRUE(truth(text("0")));
  EXPECT_FALSE(truth(Value::of(0.0)));
  EXPECT_FALSE(truth(Value::of_undefined("x")));
  EXPECT_STREQ(type_name(Value::of(true)), "bool");
  EXPECT_STREQ(type_name(Value::of_none()), "NoneType");
  EXPECT_STREQ(type_name(Value::of(&generator)), "generator");
}

TEST_F(Values, RealsPrintAsPythonPrintsThem) {
  EXPECT_EQ(real_to_text(1.0), "1.0");
  EXPECT_EQ(real_to_text(-0.0), "-0.0");
  EXPECT_EQ(real_to_text(0.1), "0.1");
  EXPECT_EQ(real_to_text(1e16), "1e+16");
  EXPECT_EQ(real_to_text(1e15), "1000000000000000.0");
  EXPECT_EQ(real_to_text(1e-4), "0.0001");
  EXPECT_EQ(real_to_text(1e-5), "1e-05");
  EXPECT_EQ(real_to_text(1.5e300), "1.5e+300");
  EXPECT_EQ(real_to_text(1.0 / 3), "0.3333333333333333");
}

TEST_F(Values, QuotesAndJson) {
  std::string quoted;
  append_quoted(quoted, "it's \"q\" \\ \n é \x01");
  EXPECT_EQ(quoted, R"('it\'s "q" \\ \n é \x01')");
  EXPECT_EQ(html_escaped("<a&'\">"), "&lt;a&amp;&#39;&#34;&gt;");
  Dict dict;
  dict.set(text("k\n"), Value::of(1.5));
  dict.set(text("a"), Value::of_none());
  JsonStyle style;
  EXPECT_EQ(to_json(run, Value::of(&dict), style), R"({"k\n": 1.5, "a": null})");
  style.sort_keys = true;
  style.indent = "  ";
  style.item_separator = ",";
  EXPECT_EQ(to_json(run, Value::of(&dict), style), "{\n  \"a\": null,\n  \"k\\n\": 1.5\n}");
  to_json(run, Value::of_undefined("x"), style);
  EXPECT_TRUE(run.failed());
}

TEST_F(Values, Numbers) {
  EXPECT_EQ(parse_integer(" -1_000 "), -1000);
  EXPECT_EQ(parse_integer("0xff", 16), 255);
  EXPECT_EQ(parse_integer("1__0"), std::nullopt);
  EXPECT_EQ(parse_integer("+-1"), std::nullopt);
  EXPECT_EQ(parse_integer("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_real(" 1e3 "), 1000.0);
  EXPECT_EQ(parse_real("1e999"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_real("x"), std::nullopt);
}

TEST_F(Values, ArithmeticChecksItsRange) {
  const auto most = integer(std::numeric_limits<std::int64_t>::max());
  const auto least = integer(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(arithmetic(run, Operator::floor_divide, integer(-7), integer(2)).integer, -4);
  EXPECT_EQ(arithmetic(run, Operator::modulo, integer(-7), integer(2)).integer, 1);
  EXPECT_EQ(arithmetic(run, Operator::modulo, least, integer(-1)).integer, 0);
  EXPECT_FALSE(run.failed());
  for (const auto& [op, a, b] : {std::tuple(Operator::add, most, integer(1)),
                                 std::tuple(Operator::floor_divide, least, integer(-1)),
                                 std::tuple(Operator::multiply, most, integer(2)),
                                 std::tuple(Operator::power, integer(10), integer(19)),
                                 std::tuple(Operator::divide, integer(1), integer(0)),
                                 std::tuple(Operator::add, integer(1), text("a"))}) {
    Rendering other{TemplateLimits{}, std::tm{}};
    arithmetic(other, op, a, b);
    EXPECT_TRUE(other.failed());
  }
  EXPECT_TRUE(less(run, text("a"), text("é")));
  EXPECT_TRUE(equal(run, integer(1), Value::of(true)));
}

TEST_F(Values, AccessGivesUndefinedOrFails) {
  Dict dict;
  dict.set(text("items"), integer(5));
  const Value object = Value::of(&dict);
  EXPECT_EQ(get_item(run, object, text("items")).integer, 5);
  EXPECT_TRUE(get_attribute(run, object, "items").is(Kind::callable));  // the method wins
  EXPECT_TRUE(get_attribute(run, object, "nothing").is_undefined());
  EXPECT_EQ(get_item(run, text("añ"), integer(-1)).text, "ñ");
  EXPECT_EQ(get_slice(run, text("añb"), integer(1), {}, {}).text, "ñb");
  EXPECT_EQ(length_of(run, text("añb")), 3);
  EXPECT_EQ(iterate(run, text("añ"))->size(), 2u);
  EXPECT_FALSE(run.failed());
  get_attribute(run, Value::of_undefined("'x' is undefined"), "y");
  EXPECT_EQ(run.error(), "'x' is undefined");
}

TEST_F(Values, FormatsAreBounded) {
  Arguments arguments;
  arguments.positional = {Value::of(3.14159), text("x")};
  EXPECT_EQ(brace_format(run, text("{:.2f}|{:>3}"), arguments).text, "3.14|  x");
  EXPECT_EQ(percent_format(run, text("%03d"), integer(7)).text, "007");
  EXPECT_FALSE(run.failed());
  percent_format(run, text("%99999d"), integer(7));
  EXPECT_TRUE(run.failed());
}

TEST_F(Values, BindMatchesParametersAsPythonDoes) {
  Value out[2];
  Arguments arguments;
  arguments.positional = {integer(1)};
  arguments.named = {{"b", integer(2)}};
  ASSERT_TRUE(bind(run, "f", arguments, {"a", "b"}, 1, out));
  EXPECT_EQ(out[1].integer, 2);
  for (const Arguments& wrong : {Arguments{{integer(1), integer(2), integer(3)}, {}},
                                 Arguments{{}, {}}, Arguments{{integer(1)}, {{"a", integer(2)}}},
                                 Arguments{{integer(1)}, {{"c", integer(2)}}}}) {
    Rendering other{TemplateLimits{}, std::tm{}};
    Value ignored[2];
    EXPECT_FALSE(bind(other, "f", wrong, {"a", "b"}, 1, ignored));
    EXPECT_TRUE(other.failed());
  }
}

TEST_F(Values, BuiltinsAreFoundByName) {
  EXPECT_TRUE(find_filter("tojson") && find_filter("selectattr") && find_test("defined"));
  EXPECT_TRUE(find_function("range") && find_method(text(""), "split"));
  EXPECT_FALSE(find_filter("nope") || find_test("nope") || find_function("open"));
  EXPECT_FALSE(find_method(integer(1), "split"));
}

TEST_F(Values, RunKeepsTheFirstErrorAndTheFuel) {
  Rendering small{TemplateLimits{.max_operations = 3, .max_output_bytes = 10}, std::tm{}};
  EXPECT_TRUE(small.spend(3));
  EXPECT_FALSE(small.spend());
  small.fail("second");
  EXPECT_EQ(small.error(), "the template needs more than 3 operations");
  EXPECT_FALSE(small.raised());
  Rendering other{TemplateLimits{.max_output_bytes = 10}, std::tm{}};
  EXPECT_TRUE(other.text("0123456789").is_string());
  EXPECT_FALSE(other.text("0123456789x").is_string());
}

TEST(Utf8, Characters) {
  EXPECT_EQ(count_chars("añ🤗"), 3u);
  EXPECT_EQ(char_offsets("añ"), (std::vector<std::size_t>{0, 1, 3}));
  EXPECT_EQ(to_upper("straße ñ"), "STRASSE Ñ");
  EXPECT_EQ(to_title("it's añb"), "It'S Añb");
  EXPECT_EQ(to_capitalised("éA"), "Éa");
  EXPECT_EQ(swap_case("aÑ"), "Añ");
  EXPECT_EQ(strip_right(strip_left("\u00a0 \t x \u3000")), "x");
  EXPECT_EQ(strip_left("ññab", "ñ"), "ab");
  EXPECT_TRUE(is_utf8("añ🤗"));
  EXPECT_FALSE(is_utf8("\xc3"));
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));
  EXPECT_EQ(count_chars("a\xff\xc3"), 3u);
  EXPECT_EQ(strip_right("a\xff"), "a\xff");
  EXPECT_EQ(split_lines("a\r\nb\n\nc"), (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_EQ(split_lines("a\n", true), (std::vector<std::string_view>{"a\n"}));
  EXPECT_EQ(find_text("abcabc", "bc"), 1u);
  EXPECT_EQ(find_last_text("abcabc", "bc"), 4u);
  EXPECT_EQ(find_last_text("abc", ""), 3u);
  EXPECT_EQ(find_text("abc", "x"), std::string_view::npos);
}

}  // namespace
}  // namespace millrace::text::jinja
