#include "text/jinja/parser.h"

#include <algorithm>
#include <utility>

#include "text/jinja/parser_state.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {

namespace {

constexpr std::size_t kMaxParameters = 255;

}  // namespace

Parser::Level::Level(Parser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) parser_.fail("it is nested too deeply");
}

void Parser::fail(const std::string& message) {
  if (failed_) return;
  error_ = message;
  error_line_ = tokens_[at_].line;
  failed_ = true;
}

bool Parser::skip_symbol(std::string_view symbol) {
  if (!at_symbol(symbol)) return false;
  next();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!at_name(name)) return false;
  next();
  return true;
}

void Parser::expect_symbol(std::string_view symbol) {
  if (!skip_symbol(symbol)) fail("expected '" + std::string(symbol) + "'");
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail("expected '" + std::string(name) + "'");
}

std::string_view Parser::expect_any_name() {
  if (now().kind != TokenKind::name) {
    fail("expected a name");
    return {};
  }
  const std::string_view name = now().text;
  next();
  return name;
}

void Parser::expect(TokenKind kind, const char* what) {
  if (now().kind == kind) {
    next();
  } else {
    fail(std::string("expected ") + what);
  }
}

// At the end: either the template's, or (with `ends`) before the name in a block tag.
std::vector<Statement> Parser::body(Names ends) {
  std::vector<Statement> statements;
  const Level level(*this);
  while (!failed()) {
    Statement made;
    made.line = now().line;
    switch (now().kind) {
      case TokenKind::data:
        made.text = now().text;
        next();
        statements.push_back(std::move(made));
        break;
      case TokenKind::print_begin:
        next();
        made.kind = StatementKind::print;
        made.expr = tuple(true, false);
        expect(TokenKind::print_end, "'}}'");
        statements.push_back(std::move(made));
        break;
      case TokenKind::block_begin: {
        next();
        if (now().kind != TokenKind::name) {
          fail("expected the name of a tag");
          break;
        }
        if (std::ranges::find(ends, now().text) != ends.end()) return statements;
        if (auto parsed = statement()) statements.push_back(std::move(*parsed));
        expect(TokenKind::block_end, "'%}'");
        break;
      }
      case TokenKind::end:
        if (ends.size() > 0)
          fail("the block is not closed; '" + std::string(*(ends.end() - 1)) + "' is missing");
        return statements;
      default:
        fail("unexpected text");
        break;
    }
  }
  return statements;
}

std::vector<Statement> Parser::block_body(Names ends) {
  skip_symbol(":");
  expect(TokenKind::block_end, "'%}'");
  return body(ends);
}

void Parser::close_block(std::string_view name) {
  expect_name(name);
}

std::optional<Statement> Parser::statement() {
  const Token tag = now();
  const auto simple = [&](StatementKind kind) {
    next();
    Statement made;
    made.kind = kind;
    return made;
  };
  std::optional<Statement> made;
  if (tag.text == "for")
    made = for_statement();
  else if (tag.text == "if")
    made = if_statement();
  else if (tag.text == "set")
    made = set_statement();
  else if (tag.text == "with")
    made = with_statement();
  else if (tag.text == "macro")
    made = macro_statement();
  else if (tag.text == "call")
    made = call_statement();
  else if (tag.text == "filter")
    made = filter_statement();
  else if (tag.text == "generation")
    made = scoped_statement("endgeneration");
  else if (tag.text == "break")
    made = simple(StatementKind::break_loop);
  else if (tag.text == "continue")
    made = simple(StatementKind::continue_loop);
  else if (tag.text == "print") {
    made = simple(StatementKind::print);
    made->expr = expression();
  } else {
    fail("unknown tag '" + std::string(tag.text.substr(0, 40)) + "'");
    return std::nullopt;
  }
  made->line = tag.line;
  return made;
}

Statement Parser::for_statement() {
  Statement made;
  made.kind = StatementKind::for_loop;
  expect_name("for");
  made.target = target(false, "in");
  expect_name("in");
  made.expr = tuple(false, false, "recursive");
  if (skip_name("if")) made.condition = expression();
  made.recursive = skip_name("recursive");
  made.body = block_body({"else", "endfor"});
  if (skip_name("else")) {
    made.has_otherwise = true;
    made.otherwise = block_body({"endfor"});
  }
  close_block("endfor");
  return made;
}

Statement Parser::if_statement() {
  Statement made;
  made.kind = StatementKind::if_else;
  next();
  do {
    Branch branch;
    branch.condition = tuple(false, false);
    branch.body = block_body({"elif", "else", "endif"});
    made.branches.push_back(std::move(branch));
  } while (!failed() && skip_name("elif"));
  if (skip_name("else")) made.otherwise = block_body({"endif"});
  close_block("endif");
  return made;
}

Statement Parser::set_statement() {
  Statement made;
  next();
  made.target = target(true, {});
  if (skip_symbol("=")) {
    made.kind = StatementKind::assign;
    made.expr = tuple(true, false);
    return made;
  }
  made.kind = StatementKind::assign_block;
  if (at_symbol("|")) made.expr = filter_chain(nullptr, false);
  made.body = block_body({"endset"});
  close_block("endset");
  return made;
}

Statement Parser::with_statement() {
  Statement made;
  made.kind = StatementKind::with;
  next();
  while (!failed() && now().kind != TokenKind::block_end) {
    if (!made.parameters.empty()) expect_symbol(",");
    Parameter parameter;
    parameter.name = expect_any_name();
    parameter.symbol = out_.symbols.intern(parameter.name);
    expect_symbol("=");
    parameter.default_value = expression();
    made.parameters.push_back(std::move(parameter));
  }
  made.body = block_body({"endwith"});
  close_block("endwith");
  return made;
}

void Parser::signature(Statement& statement) {
  expect_symbol("(");
  while (!failed() && !at_symbol(")")) {
    if (!statement.parameters.empty()) expect_symbol(",");
    Parameter parameter;
    parameter.name = expect_any_name();
    parameter.symbol = out_.symbols.intern(parameter.name);
    if (skip_symbol("=")) {
      parameter.default_value = expression();
    } else if (!statement.parameters.empty() && statement.parameters.back().default_value) {
      fail("a parameter without default follows one with a default");
    }
    statement.parameters.push_back(std::move(parameter));
    if (statement.parameters.size() > kMaxParameters) fail("it has too many parameters");
  }
  expect_symbol(")");
}

Statement Parser::macro_statement() {
  Statement made;
  made.kind = StatementKind::macro;
  next();
  made.text = expect_any_name();
  made.symbol = out_.symbols.intern(made.text);
  const bool outer[] = {std::exchange(saw_caller_, false), std::exchange(saw_varargs_, false),
                        std::exchange(saw_kwargs_, false)};
  signature(made);
  made.body = block_body({"endmacro"});
  close_block("endmacro");
  made.uses_caller = std::exchange(saw_caller_, outer[0]);
  made.uses_varargs = std::exchange(saw_varargs_, outer[1]);
  made.uses_kwargs = std::exchange(saw_kwargs_, outer[2]);
  return made;
}

Statement Parser::call_statement() {
  Statement made;
  made.kind = StatementKind::call_block;
  made.text = "caller";
  next();
  if (at_symbol("(")) signature(made);
  made.expr = expression();
  if (made.expr && made.expr->kind != ExprKind::call) fail("expected a call");
  made.body = block_body({"endcall"});
  close_block("endcall");
  return made;
}

Statement Parser::filter_statement() {
  Statement made;
  made.kind = StatementKind::filter_block;
  next();
  made.expr = filter_chain(nullptr, true);
  made.body = block_body({"endfilter"});
  close_block("endfilter");
  return made;
}

Statement Parser::scoped_statement(std::string_view end) {
  Statement made;
  made.kind = StatementKind::scoped;
  next();
  made.body = block_body({end});
  close_block(end);
  return made;
}

Target Parser::single_target(bool allow_attribute) {
  const Level level(*this);
  if (skip_symbol("(")) {
    Target inner = target(allow_attribute, {});
    expect_symbol(")");
    return inner;
  }
  Target made;
  const std::string_view name = expect_any_name();
  if (name == "true" || name == "false" || name == "True" || name == "False" || name == "none" ||
      name == "None") {
    fail("cannot assign to '" + std::string(name) + "'");
  }
  made.symbol = out_.symbols.intern(name);
  if (allow_attribute && skip_symbol(".")) made.attribute = expect_any_name();
  return made;
}

Target Parser::target(bool allow_attribute, std::string_view end_name) {
  Target first = single_target(allow_attribute);
  if (!at_symbol(",")) return first;
  Target tuple;
  tuple.is_tuple = true;
  tuple.several.push_back(std::move(first));
  while (!failed() && skip_symbol(",")) {
    if (now().kind == TokenKind::block_end || at_symbol(")") || at_symbol("=") ||
        (!end_name.empty() && at_name(end_name))) {
      break;
    }
    tuple.several.push_back(single_target(allow_attribute));
  }
  return tuple;
}

Status Parser::parse() {
  out_.body = body({});
  if (failed_) return template_error(error_line_, error_);
  return {};
}

Result<std::unique_ptr<Template>> parse_template(std::string_view source,
                                                 const LexerOptions& options) {
  if (source.size() > kMaxSource) {
    return template_error(1, "it is longer than " + std::to_string(kMaxSource) + " bytes");
  }
  if (!is_utf8(source)) return template_error(1, "it is not valid UTF-8");
  auto made = std::make_unique<Template>();
  made->source = normalise_newlines(source);
  auto tokens = tokenise(made->source, made->texts, options);
  if (!tokens) return pass(tokens);
  if (auto parsed = Parser(*made, std::move(*tokens)).parse(); !parsed) return pass(parsed);
  return made;
}

}  // namespace millrace::text::jinja
