// Templates come with model files: whatever they do ends in an error within the limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "text/chat_template.h"
#include "text/jinja/parser.h"

namespace millrace::text::jinja {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

struct Hostile {
  const char* what;
  std::string source;
};

std::vector<Hostile> hostile_renders() {
  const std::string grow = "{% set ns = namespace(s='x' * 1000) %}{% for i in range(100) %}";
  return {
      {"a range of a billion", "{% for i in range(10**9) %}x{% endfor %}"},
      {"a range down", "{% for i in range(0, -10**15, -1) %}x{% endfor %}"},
      {"a range over 64 bits", "{{ range(10**30) }}"},
      {"nested loops",
       "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"},
      {"a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"},
      {"two macros that call each other",
       "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}"},
      {"a macro that calls itself twice",
       "{% macro m(n) %}{% if n < 60 %}{{ m(n+1) }}{{ m(n+1) }}"
       "{% endif %}{% endmacro %}{{ m(0) }}"},
      {"a caller that calls itself",
       "{% macro m() %}{{ caller() }}{% endmacro %}"
       "{% macro r() %}{% call m() %}{{ r() }}{% endcall %}{% endmacro %}{{ r() }}"},
      {"a loop that calls itself for ever",
       "{% set l = [1] %}{% for x in l recursive %}{{ loop(l) }}{% endfor %}"},
      {"a string that doubles", grow + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}"},
      {"a string that doubles by +", grow + "{% set ns.s = ns.s + ns.s %}{% endfor %}"},
      {"a list that doubles",
       "{% set ns = namespace(l=[1]) %}{% for i in range(100) %}"
       "{% set ns.l = ns.l + ns.l %}{% endfor %}"},
      {"a product of strings", "{{ 'x' * 10**12 }}"},
      {"a product that overflows", "{{ 'xx' * 2**62 }}"},
      {"a product of lists", "{{ [0] * 10**9 }}"},
      {"a power", "{{ 10 ** 10 ** 10 }}"},
      {"replace that grows", "{% set s = 'a' * 100000 %}{{ s|replace('a', 'b' * 100000) }}"},
      {"replace of nothing", "{% set s = 'a' * 100000 %}{{ s.replace('', 'b' * 10000) }}"},
      {"join that grows", "{{ range(9999)|join('x' * 100000) }}"},
      {"indent that grows", "{{ ('\\n' * 100000)|indent('x' * 10000, true, true) }}"},
      {"tojson that grows", "{{ [[[[1]]]]|tojson(indent='x' * 1000000) }}"},
      {"tojson separators", "{{ range(9999)|list|tojson(separators=('x' * 1000000, ':')) }}"},
  };
}

std::vector<Hostile> more_hostile_renders() {
  return {
      {"a format that is wide", "{{ '%1000000000d' % 1 }}"},
      {"a format with a long fraction", "{{ '%.999999f' % 1.5 }}"},
      {"a brace format that is wide", "{{ '{:>999999999}'.format(1) }}"},
      {"center that is wide", "{{ 'x'.center(10**9) }}"},
      {"center filter that is wide", "{{ 'x'|center(10**9) }}"},
      {"a list that appends to itself",
       "{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}"},
      {"a list inside itself, printed", "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}"},
      {"a list inside itself, as JSON", "{% set l = [] %}{% set _ = l.append(l) %}{{ l|tojson }}"},
      {"lists inside themselves, compared",
       "{% set a = [] %}{% set b = [] %}{% set _ = a.append(b) %}{% set _ = b.append(a) %}{{ a == "
       "b }}"},
      {"a dict inside itself", "{% set d = {} %}{% set _ = d.update(d=d) %}{{ d }}"},
      {"a dict inside itself, by a long path",
       "{% set d = {} %}{% set _ = d.update(a=d) %}{% for i in range(9999) %}"
       "{{ [d]|map(attribute='a' + '.a' * 100000)|first is defined }}{% endfor %}"},
      {"a huge output", "{% set s = 'x' * 100000 %}{% for i in range(100) %}{{ s }}{% endfor %}"},
      {"a wide dict",
       "{% set d = {} %}{% for i in range(9999) %}{% for k in range(9999) %}"
       "{% set _ = d.update({(i, k): 1}) %}{% endfor %}{% endfor %}"},
      {"attributes of classes", "{{ ''.__class__.__mro__[1].__subclasses__() }}"},
      {"attributes of functions", "{{ range.__globals__.x }}"},
      {"attributes by filter", "{{ (''|attr('__class__')).x }}"},
      {"attributes by format", "{{ '{0.__class__.__mro__}'.format(1) }}"},
      {"include", "{% include '/etc/passwd' %}"},
      {"import", "{% import 'os' as os %}"},
      {"a missing variable", "{{ nothing.at.all }}"},
      {"strip with a huge set", "{% set s = 'ab' * 1000000 %}{{ s.strip(s) }}"},
      {"search that repeats",
       "{% set s = 'a' * 2000000 %}{% set n = 'a' * 1000000 + 'b' %}"
       "{% for i in range(9999) %}{% if n in s %}x{% endif %}{% endfor %}"},
      {"a huge time format", "{{ strftime_now('%c' * 1000000) }}"},
      {"urlencode that grows",
       "{% for i in range(9999) %}{% set s = ('é' * 1000000)|urlencode %}{% endfor %}"},
      {"slices of a long string",
       "{% set s = 'é' * 1000000 %}{% for i in range(9999) %}{{ s[i:i+1] }}{% endfor %}"},
      {"keys that are long",
       "{% set s = 'é' * 2000000 %}{% set d = {s: 1} %}"
       "{% for i in range(9999) %}{% for k in range(9999) %}{{ d[s] }}{% endfor %}{% endfor %}"},
      {"groupby and sort",
       "{% set l = range(9999)|list %}{% for i in range(9999) %}"
       "{{ l|sort(reverse=true)|groupby('x')|length }}{% endfor %}"},
  };
}

TEST(HostileTemplates, EndInAnErrorInBoundedTime) {
  auto cases = hostile_renders();
  for (auto& more : more_hostile_renders()) cases.push_back(std::move(more));
  EXPECT_GE(cases.size(), 45u);
  for (const auto& hostile : cases) {
    SCOPED_TRACE(hostile.what);
    const auto start = std::chrono::steady_clock::now();
    auto compiled = ChatTemplate::compile(hostile.source);
    const auto out = compiled ? compiled->render({}) : Result<std::string>(pass(compiled));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    ASSERT_FALSE(out) << out->size() << " bytes: " << out->substr(0, 100);
    EXPECT_EQ(out.error().code, "template_error");
    EXPECT_LE(out.error().message.size(), 1200u);
    EXPECT_LT(took.count(), 10.0);  // far less in fact; sanitizers are slow
  }
}

TEST(HostileTemplates, NestingIsBoundedWhenParsing) {
  const std::vector<Hostile> sources = {
      {"brackets", "{{ " + repeated("(", 50'000) + "1" + repeated(")", 50'000) + " }}"},
      {"lists", "{{ " + repeated("[", 50'000) + repeated("]", 50'000) + " }}"},
      {"dicts", "{{ " + repeated("{1:", 50'000) + "1" + repeated("}", 50'000) + " }}"},
      {"not", "{{ " + repeated("not ", 100'000) + "1 }}"},
      {"minus", "{{ " + repeated("-", 100'000) + "1 }}"},
      {"sums", "{{ 1" + repeated("+1", 100'000) + " }}"},
      {"powers", "{{ 1" + repeated("**1", 100'000) + " }}"},
      {"or", "{{ 1" + repeated(" or 1", 100'000) + " }}"},
      {"conditions", "{{ 1" + repeated(" if 1 else 1", 50'000) + " }}"},
      {"filters", "{{ 1" + repeated("|abs", 100'000) + " }}"},
      {"tests", "{{ 1" + repeated(" is eq (1", 50'000) + repeated(")", 50'000) + " }}"},
      {"attributes", "{{ a" + repeated(".a", 100'000) + " }}"},
      {"items", "{{ a" + repeated("[0]", 100'000) + " }}"},
      {"calls", "{{ a" + repeated("()", 100'000) + " }}"},
      {"ifs", repeated("{% if 1 %}", 50'000)},
      {"fors", repeated("{% for x in y %}", 50'000)},
      {"macros", repeated("{% macro m() %}", 50'000)},
      {"targets", "{% set " + repeated("(", 50'000) + "a" + repeated(")", 50'000) + " = 1 %}"},
      {"parameters", "{% macro m(" + repeated("a,", 1'000) + "b) %}{% endmacro %}"},
      {"open comments", repeated("{#", 100'000)},
      {"open strings", "{{ " + repeated("'", 99'999)},
      {"raw without end", repeated("{% raw %}{% raw %}", 10'000)},
  };
  for (const auto& hostile : sources) {
    SCOPED_TRACE(hostile.what);
    auto parsed = parse_template(hostile.source);
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().message,
                AnyOf(HasSubstr("nested too deeply"), HasSubstr("has no end"),
                      HasSubstr("too many parameters"), HasSubstr("expected an expression")));
  }
}

// Long but flat templates are fine.
TEST(HostileTemplates, LengthAloneIsNoCrime) {
  EXPECT_TRUE(parse_template("{{ 1" + repeated("~1", 50'000) + " }}"));
  EXPECT_TRUE(parse_template("{{ [1" + repeated(",1", 50'000) + "] }}"));
  EXPECT_TRUE(parse_template("{% if 1 %}" + repeated("{% elif 1 %}", 20'000) + "{% endif %}"));
  EXPECT_TRUE(parse_template(repeated("{{ x }} text {% set a = 1 %}", 10'000)));
}

TEST(HostileTemplates, EveryPrefixOfATemplateIsReadOrRefused) {
  const std::string source =
      "a {%- for m in messages if m.x is not none -%} {{ m['r'] | trim ~ 'x\\n' }} {# c #}{% else "
      "%}"
      "{% set (a, b) = f(1, *x, y=2, **z)[1:-1].q %}{% endfor %}{% raw %}{{{% endraw %}"
      "{% macro m(a, b=1) %}{{ caller() if a else -b ** 2 }}{% endmacro %}{% call(u) m(1) %}{% "
      "endcall %}";
  for (std::size_t size = 0; size <= source.size(); ++size) {
    auto compiled = ChatTemplate::compile(source.substr(0, size));
    if (compiled) (void)compiled->render({});
  }
  EXPECT_TRUE(ChatTemplate::compile(source));
}

TEST(HostileTemplates, DataIsNeverATemplate) {
  const auto compiled = ChatTemplate::compile("{{ x }}{{ x|upper|lower }}{{ [x] }}{{ '%s' % x }}");
  const json::object context = {{"x", "{{ y }}{% raise %}"}};
  EXPECT_EQ(*compiled->render(context),
            "{{ y }}{% raise %}{{ y }}{% raise %}['{{ y }}{% raise %}']{{ y }}{% raise %}");
}

TEST(HostileTemplates, LimitsAreTheCallers) {
  const auto loop = ChatTemplate::compile("{% for i in range(50) %}0123456789{% endfor %}");
  EXPECT_TRUE(loop->render({}));
  const auto refused = [&](const TemplateLimits& limits) {
    return loop->render({}, limits).error().message;
  };
  EXPECT_THAT(refused({.max_operations = 100}), HasSubstr("more than 100 operations"));
  EXPECT_THAT(refused({.max_output_bytes = 499}), HasSubstr("longer than 499 bytes"));
  EXPECT_THAT(refused({.max_range = 49}), HasSubstr("longer than 49"));
  EXPECT_TRUE(loop->render({}, {.max_output_bytes = 500, .max_range = 50}));
  const auto deep = ChatTemplate::compile(
      "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(20) }}");
  EXPECT_TRUE(deep->render({}));
  EXPECT_THAT(deep->render({}, {.max_depth = 20}).error().message, HasSubstr("too deeply"));
}

}  // namespace
}  // namespace millrace::text::jinja
