// What the two halves of the parser (statements, expressions) share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace millrace::text::jinja {

// Recursive descent over a token vector. After the first error every token reads as `end`, so loops
// stop by themselves and the caller looks at failed() once.
class Parser {
 public:
  Parser(Template& out, std::vector<Token> tokens) : out_(out), tokens_(std::move(tokens)) {}

  Status parse();

 private:
  // Statements (parser.cc). Bodies end before a block whose name is one of `ends`.
  using Names = std::initializer_list<std::string_view>;
  std::vector<Statement> body(Names ends);
  std::vector<Statement> block_body(Names ends);  // after the tag's end
  void close_block(std::string_view name);        // the end tag, whole
  std::optional<Statement> statement();
  Statement for_statement();
  Statement if_statement();
  Statement set_statement();
  Statement with_statement();
  Statement macro_statement();
  Statement call_statement();
  Statement filter_statement();
  Statement scoped_statement(std::string_view end);
  void signature(Statement& statement);
  Target target(bool allow_attribute, std::string_view end_name);
  Target single_target(bool allow_attribute);

  // Expressions (parser_expressions.cc).
  ExprPtr expression(bool with_conditional = true);
  ExprPtr tuple(bool with_conditional, bool explicit_parentheses, std::string_view end_name = {});
  ExprPtr conditional();
  ExprPtr logical_or();
  ExprPtr logical_and();
  ExprPtr logical_not();
  ExprPtr compare();
  ExprPtr sum();
  ExprPtr concat();
  ExprPtr product();
  ExprPtr power();
  ExprPtr power_operand();
  // Levels that differ only in their operators and in the next tighter level.
  template <class Table>
  ExprPtr left_associative(const Table& table, ExprPtr (Parser::*tighter)());
  ExprPtr unary(bool with_filters);
  ExprPtr primary();
  ExprPtr list_literal();
  ExprPtr dict_literal();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters_and_tests(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr subscribed();
  ExprPtr filter_chain(ExprPtr node, bool starts_inline);
  ExprPtr one_filter(ExprPtr node);
  ExprPtr test(ExprPtr node);
  void call_arguments(Expr& call);
  ExprPtr call(ExprPtr callee);
  std::string_view dotted_name();

  ExprPtr make(ExprKind kind);
  // Adds a child and keeps the depth of the tree.
  void adopt(Expr& parent, ExprPtr child);
  void deepen(Expr& parent, const ExprPtr& child);

  // Tokens.
  const Token& now() const { return failed_ ? end_ : tokens_[at_]; }
  const Token& ahead() const {
    return failed_ || at_ + 1 >= tokens_.size() ? end_ : tokens_[at_ + 1];
  }
  void next() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool at_symbol(std::string_view symbol) const {
    return now().kind == TokenKind::symbol && now().text == symbol;
  }
  bool at_name(std::string_view name) const {
    return now().kind == TokenKind::name && now().text == name;
  }
  bool skip_symbol(std::string_view symbol);
  bool skip_name(std::string_view name);
  void expect_symbol(std::string_view symbol);
  void expect_name(std::string_view name);
  std::string_view expect_any_name();
  void expect(TokenKind kind, const char* what);
  void fail(const std::string& message);
  bool failed() const { return failed_; }

  // Counts one level of recursion while it lives.
  class Level {
   public:
    explicit Level(Parser& parser);
    ~Level() { --parser_.nesting_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  Template& out_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Token end_;
  int nesting_ = 0;
  bool failed_ = false;
  std::string error_;
  int error_line_ = 0;
  // Special names seen since the innermost macro began.
  bool saw_caller_ = false, saw_varargs_ = false, saw_kwargs_ = false;
};

}  // namespace millrace::text::jinja
