// Interpreter: walks the tree of one template for one rendering.
#pragma once

#include <string>

#include "base/json.h"
#include "text/jinja/ast.h"
#include "text/jinja/run.h"

namespace millrace::text::jinja {

// Statements and expressions inside each other, over all macros that are being called: bounds the
// machine stack.
inline constexpr std::size_t kMaxStackDepth = 1'000;

class Interpreter {
 public:
  // All must outlive the interpreter; values made from `context` point into it.
  Interpreter(Run& run, const Template& source, const json::object& context);

  // The whole template. What it returns is worth something only if the run has not failed.
  std::string render();

 private:
  enum class Flow { normal, break_loop, continue_loop };

  Flow execute(const std::vector<Statement>& body, Scope* scope, std::string& out);
  Flow execute(const Statement& statement, Scope* scope, std::string& out);
  Flow if_else(const Statement& statement, Scope* scope, std::string& out);
  Flow for_loop(const Statement& statement, Scope* scope, std::string& out);
  void iterate_body(const Statement& statement, Scope* scope, const Value& source, int depth,
                    std::string& out);
  std::vector<Value>* filtered(const Statement& statement, Scope* scope,
                               const std::vector<Value>& items);
  void assign(const Target& target, const Value& value, Scope* scope);
  void assign_block(const Statement& statement, Scope* scope);
  Flow with(const Statement& statement, Scope* scope, std::string& out);
  void call_block(const Statement& statement, Scope* scope, std::string& out);
  void filter_block(const Statement& statement, Scope* scope, std::string& out);
  Value define_macro(const Statement& statement, Scope* scope);

  Value evaluate(const Expr& expr, Scope* scope);
  Value evaluate_node(const Expr& expr, Scope* scope);
  Value name(const Expr& expr, Scope* scope);
  Value dict_literal(const Expr& expr, Scope* scope);
  Value item(const Expr& expr, Scope* scope);
  Value call_expr(const Expr& expr, Scope* scope, const Value* caller);
  Value filter(const Expr& expr, Scope* scope, const Value* input);
  Value test(const Expr& expr, Scope* scope);
  Value compare(const Expr& expr, Scope* scope);
  Value concat(const Expr& expr, Scope* scope);
  bool arguments_of(const Expr& expr, Scope* scope, Arguments& out);

  Value call(const Value& callee, const Arguments& arguments);
  Value call_macro(const Callable& macro, const Arguments& arguments);
  bool bind_macro(const Statement& macro, const Arguments& arguments, Scope* scope);
  Value call_loop(const Loop& loop, const Arguments& arguments);

  void emit(std::string& out, std::string_view text);
  Value from_json(const json::value& value);

  Run& run_;
  const Template& template_;
  std::vector<Value> context_;  // by symbol; absent where the caller gave none
  std::size_t call_depth_ = 0;  // macros and recursive loops inside each other
  std::size_t stack_depth_ = 0;
};

}  // namespace millrace::text::jinja
