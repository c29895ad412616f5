#include "text/jinja/parser.h"

#include <gtest/gtest.h>

#include <string>

#include "text/jinja/ast.h"
#include "text/jinja/parser_state.h"

namespace millrace::text::jinja {
namespace {

TEST(Parser, BindsOperatorsAsJinja2Does) {
  // Not what Python does: ** takes a signed number, and filters bind tighter than a sign's operand.
  const auto parsed = parse_template("{{ -a ** b|f + c ~ d * e }}");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const Expr& sum = *(*parsed)->body[0].expr;
  ASSERT_EQ(sum.kind, ExprKind::binary);
  EXPECT_EQ(sum.operators[0], Operator::add);
  const Expr& power = *sum.children[0];
  EXPECT_EQ(power.operators[0], Operator::power);
  EXPECT_EQ(power.children[0]->kind, ExprKind::negative);
  EXPECT_EQ(power.children[1]->kind, ExprKind::filter);
  const Expr& concat = *sum.children[1];
  EXPECT_EQ(concat.kind, ExprKind::concat);
  EXPECT_EQ(concat.children[1]->operators[0], Operator::multiply);
}

TEST(Parser, KeepsTheShapeOfStatements) {
  const auto parsed = parse_template(
      "{% for a, (b, c) in x if y recursive %}1{% else %}2{% endfor %}"
      "{% if a %}{% elif b %}{% else %}{% endif %}"
      "{% macro m(p, q=1) %}{{ varargs }}{% endmacro %}{% set n.x = 1 %}");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& body = (*parsed)->body;
  ASSERT_EQ(body.size(), 4u);
  EXPECT_TRUE(body[0].recursive);
  EXPECT_TRUE(body[0].condition);
  EXPECT_EQ(body[0].target.several[1].several.size(), 2u);
  EXPECT_EQ(body[1].branches.size(), 2u);
  EXPECT_TRUE(body[2].uses_varargs);
  EXPECT_FALSE(body[2].uses_kwargs);
  EXPECT_EQ(body[2].parameters.size(), 2u);
  EXPECT_EQ(body[3].target.attribute, "x");
}

TEST(Parser, RefusesBadSyntax) {
  for (const char* source : {"{% if %}{% endif %}",
                             "{% if a %}",
                             "{% endif %}",
                             "{% for x %}{% endfor %}",
                             "{% else %}",
                             "{% set 1 = 2 %}",
                             "{% set none = 2 %}",
                             "{{ a b }}",
                             "{{ }}",
                             "{{ f(a=1, 2) }}",
                             "{{ f(**a, *b) }}",
                             "{{ a is b is c }}",
                             "{{ a. }}",
                             "{{ a.'x' }}",
                             "{{ [1 2] }}",
                             "{{ {1} }}",
                             "{% macro m(a=1, b) %}{% endmacro %}",
                             "{% call 1 %}{% endcall %}",
                             "{% unknown %}",
                             "{% if a %}{% endfor %}",
                             "{% 1 %}",
                             "{{ a | }}",
                             "{{ a is }}"}) {
    EXPECT_FALSE(parse_template(source)) << source;
  }
}

TEST(Parser, SymbolsAreShared) {
  const auto parsed = parse_template("{{ a }}{{ b }}{{ a }}");
  ASSERT_TRUE(parsed);
  const Symbols& symbols = (*parsed)->symbols;
  EXPECT_EQ(symbols.size(), 2u);
  EXPECT_EQ(symbols.name(symbols.find("b")), "b");
  EXPECT_EQ(symbols.find("c"), -1);
}

}  // namespace
}  // namespace millrace::text::jinja
