// The parsed template. Plain nodes; what each kind keeps in them is said beside it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace millrace::text::jinja {

enum class ExprKind : std::uint8_t {
  constant,     // value
  name,         // symbol, text
  list,         // children
  tuple,        // children
  dict,         // children: key, value, key, value, …
  attribute,    // children[0] . text
  item,         // children[0] [ children[1] ]
  slice,        // children: start, stop, step; null where left out. Only inside item
  call,         // children[0] ( arguments )
  filter,       // children[0] | text ( arguments ); children[0] null: the input of a filter block
  test,         // children[0] is text ( arguments )
  conditional,  // children: condition, value, other (null: undefined)
  logical_and,
  logical_or,
  logical_not,
  negative,
  positive,
  concat,   // children, two or more
  compare,  // children[0], then one for each of operators
  binary,   // children[0] operators[0] children[1]
};

enum class Operator : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  not_in,
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  ExprKind kind = ExprKind::constant;
  int line = 0;
  int depth = 1;  // of the tree under it; bounded by the parser
  int symbol = -1;
  std::string_view text;
  Value value;
  Native native = nullptr;  // filter, test: null where there is none of that name
  std::vector<ExprPtr> children;
  std::vector<Operator> operators;
  // Arguments of call, filter and test.
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string_view, ExprPtr>> named;
  ExprPtr more_positional;  // *expr
  ExprPtr more_named;       // **expr
};

enum class StatementKind : std::uint8_t {
  text,          // text
  print,         // expr
  if_else,       // branches, otherwise
  for_loop,      // targets in expr [if condition] [recursive]: body, otherwise
  assign,        // targets = expr
  assign_block,  // targets, body; expr: the chain of filters, or null
  with,          // parameters (as symbols and defaults), body
  macro,         // symbol, parameters, body
  call_block,    // expr: the call; parameters and body of the caller
  filter_block,  // expr: the chain of filters; body
  scoped,        // body in a scope of its own: generation, block
  break_loop,
  continue_loop,
};

// What is assigned to: a name, `name.attribute` of a namespace, or several of them.
struct Target {
  int symbol = -1;
  std::string_view attribute;   // empty: the name itself
  std::vector<Target> several;  // unpacking, where not empty
  bool is_tuple = false;
};

struct Parameter {
  int symbol = -1;
  std::string_view name;
  ExprPtr default_value;  // null: none
};

struct Statement;
struct Branch {
  ExprPtr condition;
  std::vector<Statement> body;
};

struct Statement {
  StatementKind kind = StatementKind::text;
  int line = 0;
  int symbol = -1;
  std::string_view text;
  ExprPtr expr;
  ExprPtr condition;
  Target target;
  std::vector<Parameter> parameters;
  std::vector<Branch> branches;
  std::vector<Statement> body;
  std::vector<Statement> otherwise;
  bool recursive = false;
  bool has_otherwise = false;
  // macro, call_block: which of the special names the body uses.
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

// Names in the template, each with a number.
class Symbols {
 public:
  int intern(std::string_view name);      // `name` must outlive this
  int find(std::string_view name) const;  // -1: none
  std::string_view name(int symbol) const { return names_[static_cast<std::size_t>(symbol)]; }
  std::size_t size() const { return names_.size(); }

 private:
  std::unordered_map<std::string_view, int> numbers_;
  std::vector<std::string_view> names_;
};

struct Template {
  std::string source;             // with \n line ends; texts and names point into it
  std::deque<std::string> texts;  // strings that are not verbatim in the source
  Symbols symbols;
  std::vector<Statement> body;
};

}  // namespace millrace::text::jinja
