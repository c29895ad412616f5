// The expression half of the parser: from loosest to tightest binding.
#include <algorithm>
#include <array>
#include <utility>

#include "text/jinja/builtins.h"
#include "text/jinja/parser.h"
#include "text/jinja/parser_state.h"

namespace millrace::text::jinja {

ExprPtr Parser::make(ExprKind kind) {
  auto made = std::make_unique<Expr>();
  made->kind = kind;
  made->line = now().line;
  return made;
}

void Parser::deepen(Expr& parent, const ExprPtr& child) {
  if (!child) return;
  parent.depth = std::max(parent.depth, child->depth + 1);
  if (parent.depth > kMaxNesting) fail("an expression is nested too deeply");
}

void Parser::adopt(Expr& parent, ExprPtr child) {
  deepen(parent, child);
  parent.children.push_back(std::move(child));
}

ExprPtr Parser::expression(bool with_conditional) {
  const Level level(*this);
  return with_conditional ? conditional() : logical_or();
}

// `a, b`: without a comma just the one expression.
ExprPtr Parser::tuple(bool with_conditional, bool explicit_parentheses, std::string_view end_name) {
  auto made = make(ExprKind::tuple);
  bool has_comma = false;
  while (!failed()) {
    if (now().kind == TokenKind::print_end || now().kind == TokenKind::block_end ||
        at_symbol(")") || (!end_name.empty() && at_name(end_name))) {
      break;
    }
    adopt(*made, expression(with_conditional));
    if (!skip_symbol(",")) break;
    has_comma = true;
  }
  if (has_comma) return made;
  if (made->children.size() == 1) return std::move(made->children[0]);
  if (!explicit_parentheses) fail("expected an expression");
  return made;
}

ExprPtr Parser::conditional() {
  ExprPtr value = logical_or();
  while (!failed() && at_name("if")) {
    auto made = make(ExprKind::conditional);
    next();
    ExprPtr condition = logical_or();
    ExprPtr other;
    if (skip_name("else")) {
      const Level level(*this);
      other = conditional();
    }
    adopt(*made, std::move(condition));
    adopt(*made, std::move(value));
    adopt(*made, std::move(other));
    value = std::move(made);
  }
  return value;
}

ExprPtr Parser::logical_or() {
  ExprPtr left = logical_and();
  while (!failed() && at_name("or")) {
    auto made = make(ExprKind::logical_or);
    next();
    adopt(*made, std::move(left));
    adopt(*made, logical_and());
    left = std::move(made);
  }
  return left;
}

ExprPtr Parser::logical_and() {
  ExprPtr left = logical_not();
  while (!failed() && at_name("and")) {
    auto made = make(ExprKind::logical_and);
    next();
    adopt(*made, std::move(left));
    adopt(*made, logical_not());
    left = std::move(made);
  }
  return left;
}

ExprPtr Parser::logical_not() {
  if (!at_name("not")) return compare();
  const Level level(*this);
  auto made = make(ExprKind::logical_not);
  next();
  adopt(*made, logical_not());
  return made;
}

namespace {

using OperatorName = std::pair<std::string_view, Operator>;

template <std::size_t N>
const Operator* find_operator(const std::array<OperatorName, N>& table, const Token& token) {
  if (token.kind != TokenKind::symbol) return nullptr;
  for (const auto& [text, op] : table) {
    if (text == token.text) return &op;
  }
  return nullptr;
}

constexpr std::array<OperatorName, 6> kComparisons = {{{"==", Operator::equal},
                                                       {"!=", Operator::not_equal},
                                                       {"<", Operator::less},
                                                       {"<=", Operator::less_equal},
                                                       {">", Operator::greater},
                                                       {">=", Operator::greater_equal}}};
constexpr std::array<OperatorName, 2> kSums = {{{"+", Operator::add}, {"-", Operator::subtract}}};
constexpr std::array<OperatorName, 4> kProducts = {{{"*", Operator::multiply},
                                                    {"/", Operator::divide},
                                                    {"//", Operator::floor_divide},
                                                    {"%", Operator::modulo}}};
constexpr std::array<OperatorName, 1> kPowers = {{{"**", Operator::power}}};

}  // namespace

ExprPtr Parser::compare() {
  ExprPtr first = sum();
  ExprPtr made;
  while (!failed()) {
    Operator op;
    if (const Operator* symbol = find_operator(kComparisons, now())) {
      op = *symbol;
      next();
    } else if (at_name("in")) {
      op = Operator::in;
      next();
    } else if (at_name("not") && ahead().kind == TokenKind::name && ahead().text == "in") {
      op = Operator::not_in;
      next();
      next();
    } else {
      break;
    }
    if (!made) {
      made = make(ExprKind::compare);
      adopt(*made, std::move(first));
    }
    made->operators.push_back(op);
    adopt(*made, sum());
  }
  return made ? std::move(made) : std::move(first);
}

template <class Table>
ExprPtr Parser::left_associative(const Table& table, ExprPtr (Parser::*tighter)()) {
  ExprPtr left = (this->*tighter)();
  while (const Operator* op = find_operator(table, now())) {
    auto made = make(ExprKind::binary);
    made->operators.push_back(*op);
    next();
    adopt(*made, std::move(left));
    adopt(*made, (this->*tighter)());
    left = std::move(made);
  }
  return left;
}

ExprPtr Parser::sum() {
  return left_associative(kSums, &Parser::concat);
}

ExprPtr Parser::concat() {
  ExprPtr first = product();
  if (!at_symbol("~")) return first;
  auto made = make(ExprKind::concat);
  adopt(*made, std::move(first));
  while (!failed() && skip_symbol("~")) adopt(*made, product());
  return made;
}

ExprPtr Parser::product() {
  return left_associative(kProducts, &Parser::power);
}

ExprPtr Parser::power() {
  return left_associative(kPowers, &Parser::power_operand);
}

ExprPtr Parser::power_operand() {
  return unary(true);
}

ExprPtr Parser::unary(bool with_filters) {
  ExprPtr node;
  if (at_symbol("-") || at_symbol("+")) {
    const Level level(*this);
    node = make(at_symbol("-") ? ExprKind::negative : ExprKind::positive);
    next();
    adopt(*node, unary(false));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr Parser::primary() {
  auto made = make(ExprKind::constant);
  const Token token = now();
  switch (token.kind) {
    case TokenKind::name:
      next();
      if (token.text == "true" || token.text == "True") {
        made->value = Value::of(true);
      } else if (token.text == "false" || token.text == "False") {
        made->value = Value::of(false);
      } else if (token.text == "none" || token.text == "None") {
        made->value = Value::of_none();
      } else {
        made->kind = ExprKind::name;
        made->text = token.text;
        made->symbol = out_.symbols.intern(token.text);
        saw_caller_ |= token.text == "caller";
        saw_varargs_ |= token.text == "varargs";
        saw_kwargs_ |= token.text == "kwargs";
      }
      return made;
    case TokenKind::string: {
      next();
      std::string_view text = token.text;
      if (now().kind == TokenKind::string) {  // neighbours are joined
        std::string joined(text);
        for (; now().kind == TokenKind::string; next()) joined += now().text;
        text = out_.texts.emplace_back(std::move(joined));
      }
      made->value = Value::of(text);
      return made;
    }
    case TokenKind::integer:
      next();
      made->value = Value::of(token.integer);
      return made;
    case TokenKind::real:
      next();
      made->value = Value::of(token.real);
      return made;
    default:
      break;
  }
  if (skip_symbol("(")) {
    const Level level(*this);
    made = tuple(true, true);
    expect_symbol(")");
    return made;
  }
  if (at_symbol("[")) return list_literal();
  if (at_symbol("{")) return dict_literal();
  fail("expected an expression");
  return made;
}

ExprPtr Parser::list_literal() {
  auto made = make(ExprKind::list);
  next();
  while (!failed() && !at_symbol("]")) {
    if (!made->children.empty()) {
      expect_symbol(",");
      if (at_symbol("]")) break;
    }
    adopt(*made, expression());
  }
  expect_symbol("]");
  return made;
}

ExprPtr Parser::dict_literal() {
  auto made = make(ExprKind::dict);
  next();
  while (!failed() && !at_symbol("}")) {
    if (!made->children.empty()) {
      expect_symbol(",");
      if (at_symbol("}")) break;
    }
    adopt(*made, expression());
    expect_symbol(":");
    adopt(*made, expression());
  }
  expect_symbol("}");
  return made;
}

ExprPtr Parser::postfix(ExprPtr node) {
  while (!failed()) {
    if (at_symbol(".") || at_symbol("[")) {
      node = subscript(std::move(node));
    } else if (at_symbol("(")) {
      node = call(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

ExprPtr Parser::filters_and_tests(ExprPtr node) {
  while (!failed()) {
    if (at_symbol("|")) {
      node = filter_chain(std::move(node), false);
    } else if (at_name("is")) {
      node = test(std::move(node));
    } else if (at_symbol("(")) {
      node = call(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

ExprPtr Parser::subscript(ExprPtr node) {
  auto made = make(ExprKind::item);
  if (skip_symbol(".")) {
    const Token token = now();
    next();
    if (token.kind == TokenKind::name) {
      made->kind = ExprKind::attribute;
      made->text = token.text;
      adopt(*made, std::move(node));
      return made;
    }
    if (token.kind != TokenKind::integer) fail("expected a name or number after '.'");
    auto index = make(ExprKind::constant);
    index->value = Value::of(token.integer);
    adopt(*made, std::move(node));
    adopt(*made, std::move(index));
    return made;
  }
  next();
  adopt(*made, std::move(node));
  ExprPtr first = subscribed();
  if (at_symbol(",")) {
    auto several = make(ExprKind::tuple);
    adopt(*several, std::move(first));
    while (!failed() && skip_symbol(",")) adopt(*several, subscribed());
    first = std::move(several);
  }
  adopt(*made, std::move(first));
  expect_symbol("]");
  return made;
}

ExprPtr Parser::subscribed() {
  ExprPtr start;
  if (!at_symbol(":")) {
    start = expression();
    if (!at_symbol(":")) return start;
  }
  auto made = make(ExprKind::slice);
  next();
  ExprPtr stop, step;
  const auto part_follows = [&] { return !at_symbol("]") && !at_symbol(","); };
  if (!at_symbol(":") && part_follows()) stop = expression();
  if (skip_symbol(":") && part_follows()) step = expression();
  adopt(*made, std::move(start));
  adopt(*made, std::move(stop));
  adopt(*made, std::move(step));
  return made;
}

std::string_view Parser::dotted_name() {
  std::string_view name = expect_any_name();
  if (!at_symbol(".")) return name;
  std::string dotted(name);
  while (!failed() && skip_symbol(".")) dotted += "." + std::string(expect_any_name());
  return out_.texts.emplace_back(std::move(dotted));
}

ExprPtr Parser::filter_chain(ExprPtr node, bool starts_inline) {
  while (!failed() && (starts_inline || at_symbol("|"))) {
    if (!starts_inline) next();
    starts_inline = false;
    node = one_filter(std::move(node));
  }
  return node;
}

ExprPtr Parser::one_filter(ExprPtr node) {
  auto made = make(ExprKind::filter);
  made->text = dotted_name();
  made->native = find_filter(made->text);
  adopt(*made, std::move(node));
  if (at_symbol("(")) call_arguments(*made);
  return made;
}

ExprPtr Parser::test(ExprPtr node) {
  auto made = make(ExprKind::test);
  next();
  const bool negated = skip_name("not");
  made->text = dotted_name();
  made->native = find_test(made->text);
  adopt(*made, std::move(node));
  const TokenKind kind = now().kind;
  if (at_symbol("(")) {
    call_arguments(*made);
  } else if ((kind == TokenKind::name && !at_name("else") && !at_name("or") && !at_name("and")) ||
             kind == TokenKind::string || kind == TokenKind::integer || kind == TokenKind::real ||
             at_symbol("[") || at_symbol("{")) {
    if (at_name("is")) fail("tests cannot be chained with 'is'");
    const Level level(*this);
    ExprPtr argument = postfix(primary());
    deepen(*made, argument);
    made->positional.push_back(std::move(argument));
  }
  if (!negated) return made;
  auto inverted = make(ExprKind::logical_not);
  adopt(*inverted, std::move(made));
  return inverted;
}

void Parser::call_arguments(Expr& call) {
  expect_symbol("(");
  bool first = true;
  while (!failed() && !at_symbol(")")) {
    if (!std::exchange(first, false)) {
      expect_symbol(",");
      if (at_symbol(")")) break;
    }
    if (skip_symbol("*")) {
      if (call.more_positional || call.more_named) fail("bad arguments of a call");
      call.more_positional = expression();
      deepen(call, call.more_positional);
    } else if (skip_symbol("**")) {
      if (call.more_named) fail("bad arguments of a call");
      call.more_named = expression();
      deepen(call, call.more_named);
    } else if (now().kind == TokenKind::name && ahead().kind == TokenKind::symbol &&
               ahead().text == "=") {
      if (call.more_named) fail("bad arguments of a call");
      const std::string_view name = now().text;
      next();
      next();
      ExprPtr value = expression();
      deepen(call, value);
      call.named.emplace_back(name, std::move(value));
    } else {
      if (call.more_positional || call.more_named || !call.named.empty()) {
        fail("a positional argument follows a named one");
      }
      ExprPtr value = expression();
      deepen(call, value);
      call.positional.push_back(std::move(value));
    }
  }
  expect_symbol(")");
}

ExprPtr Parser::call(ExprPtr callee) {
  auto made = make(ExprKind::call);
  adopt(*made, std::move(callee));
  call_arguments(*made);
  return made;
}

}  // namespace millrace::text::jinja
