// What can be called, and with what: functions, methods bound to their object, macros.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace millrace::text::jinja {

class Run;
struct Statement;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;

  const Value* find(std::string_view name) const;
};

// `self` is the object of a method, the input of a filter or test, and absent for functions.
using Native = Value (*)(Run& run, const Value& self, const Arguments& arguments);

// Variables of one block. A name is looked up outwards; assignments go to the innermost scope.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<int, Value>> variables;  // by symbol

  Value* find_here(int symbol);
  void set(int symbol, const Value& value);
};

struct Callable {
  std::string_view name;
  Native native = nullptr;
  Value self;
  const Statement* macro = nullptr;  // a macro, or the body of a call block
  Scope* scope = nullptr;            // where the macro was defined
};

struct Loop {
  const std::vector<Value>* items = nullptr;
  std::size_t index = 0;  // from 0
  int depth = 1;
  const Statement* statement = nullptr;
  Scope* scope = nullptr;
  std::vector<Value> last_changed;
};

// Binds arguments to named parameters as Python does: positional ones first, then by name. False
// (and the run has failed) for too many, for unknown names, for a parameter given twice, and where
// one of the first `num_required` is missing. What was not given is absent in `out`.
bool bind(Run& run, std::string_view callee, const Arguments& arguments,
          std::initializer_list<std::string_view> parameters, std::size_t num_required,
          std::span<Value> out);

}  // namespace millrace::text::jinja
