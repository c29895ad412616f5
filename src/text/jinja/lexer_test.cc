#include "text/jinja/lexer.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::text::jinja {
namespace {

// Tokens as "kind:text", for short expectations; "!" where the text is refused.
std::string tokens_of(std::string_view source, const LexerOptions& options = {}) {
  const std::string text = normalise_newlines(source);
  std::deque<std::string> texts;
  auto tokens = tokenise(text, texts, options);
  if (!tokens) return "!";
  std::string out;
  for (const Token& token : *tokens) {
    switch (token.kind) {
      case TokenKind::data:
        out += "[" + std::string(token.text) + "]";
        break;
      case TokenKind::print_begin:
        out += "{{";
        break;
      case TokenKind::print_end:
        out += "}}";
        break;
      case TokenKind::block_begin:
        out += "{%";
        break;
      case TokenKind::block_end:
        out += "%}";
        break;
      case TokenKind::name:
        out += " " + std::string(token.text);
        break;
      case TokenKind::string:
        out += " '" + std::string(token.text) + "'";
        break;
      case TokenKind::integer:
        out += " " + std::to_string(token.integer);
        break;
      case TokenKind::real:
        out += " r" + std::to_string(token.real);
        break;
      case TokenKind::symbol:
        out += " " + std::string(token.text);
        break;
      case TokenKind::end:
        break;
    }
  }
  return out;
}

TEST(Lexer, SplitsTagsAndText) {
  EXPECT_EQ(tokens_of("a {{ b }} c"), "[a ]{{ b}}[ c]");
  EXPECT_EQ(tokens_of("{%if x%}y{%endif%}"), "{% if x%}[y]{% endif%}");
  EXPECT_EQ(tokens_of("{{ {'a': 1} }}"), "{{ { 'a' : 1 }}}");
  EXPECT_EQ(tokens_of("{{{'a':{}}}}"), "{{ { 'a' : { } }}}");
  EXPECT_EQ(tokens_of("a { b } {c"), "[a { b } {c]");
  EXPECT_EQ(tokens_of("{"), "[{]");
  EXPECT_EQ(tokens_of(""), "");
}

TEST(Lexer, WhiteSpaceControl) {
  EXPECT_EQ(tokens_of("a \n {{- b -}} \n c"), "[a]{{ b}}[c]");
  EXPECT_EQ(tokens_of("a\n  {% b %}\nc"), "[a\n]{% b%}[c]");
  EXPECT_EQ(tokens_of("a\n  {% b %}\nc", {false, false}), "[a\n  ]{% b%}[\nc]");
  EXPECT_EQ(tokens_of("a\n  {%+ b +%}\nc"), "[a\n  ]{% b%}[\nc]");
  EXPECT_EQ(tokens_of("x  {% b %}"), "[x  ]{% b%}");
  EXPECT_EQ(tokens_of("a\n  {# c #}\nb"), "[a\n][b]");
  EXPECT_EQ(tokens_of("a {#- c -#} b"), "[a][b]");
  EXPECT_EQ(tokens_of("a\r\nb\rc\n"), "[a\nb\nc]");
  EXPECT_EQ(tokens_of("a\n\n"), "[a\n]");
}

TEST(Lexer, Raw) {
  EXPECT_EQ(tokens_of("{% raw %}{{ x }}{% y %}{% endraw %}z"), "[{{ x }}{% y %}][z]");
  EXPECT_EQ(tokens_of("{% raw -%} a {%- endraw -%} z"), "[a][z]");
  EXPECT_EQ(tokens_of("{%raw%}a"), "!");
}

TEST(Lexer, NumbersAndStrings) {
  EXPECT_EQ(tokens_of("{{ 1 1.5 1e3 1_000 0x1f 0o17 0b11 a.0.1 }}"),
            "{{ 1 r1.500000 r1000.000000 1000 31 15 3 a . 0 . 1}}");
  EXPECT_EQ(tokens_of(R"({{ 'a\'b' "\n\x41\u00e9\q" }})"), "{{ 'a'b' '\nAé\\q'}}");
  EXPECT_EQ(tokens_of("{{ 99999999999999999999 }}"), "!");
  EXPECT_EQ(tokens_of(R"({{ '\ud800' }})"), "!");
  EXPECT_EQ(tokens_of(R"({{ '\x4' }})"), "!");
}

TEST(Lexer, RefusesWhatDoesNotEnd) {
  for (const char* source :
       {"{{", "{{ a", "{{ 'a }}", "{# a", "{% a", "{{ (a }}", "{{ a) }}", "{{ (] }}", "{{ ? }}"}) {
    EXPECT_EQ(tokens_of(source), "!") << source;
  }
}

TEST(Lexer, CountsLines) {
  std::deque<std::string> texts;
  const auto tokens = tokenise("a\n{# b\n #}\n{{ c }}", texts);
  ASSERT_TRUE(tokens);
  EXPECT_EQ((*tokens)[1].line, 4);
  EXPECT_EQ(template_error(3, "wrong").error().message, "The chat template, line 3: wrong.");
}

}  // namespace
}  // namespace millrace::text::jinja
