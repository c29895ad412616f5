// The expression half of the interpreter.
#include <utility>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_form.h"

namespace millrace::text::jinja {
namespace {

constexpr std::size_t kMaxMoreNamed = 1'000;  // entries of a ** argument

}  // namespace

Value Interpreter::evaluate(const Expr& expr, Scope* scope) {
  if (!run_.spend()) return Value::of_undefined("");
  if (++stack_depth_ > kMaxStackDepth) {
    --stack_depth_;
    return run_.fail("the template is nested too deeply");
  }
  const Value value = evaluate_node(expr, scope);
  --stack_depth_;
  return run_.failed() ? Value::of_undefined("") : value;
}

Value Interpreter::evaluate_node(const Expr& expr, Scope* scope) {
  const auto child = [&](std::size_t i) { return evaluate(*expr.children[i], scope); };
  switch (expr.kind) {
    case ExprKind::constant:
      return expr.value;
    case ExprKind::name:
      return name(expr, scope);
    case ExprKind::list:
    case ExprKind::tuple: {
      List* list = run_.list(expr.kind == ExprKind::list ? ListKind::list : ListKind::tuple);
      for (const auto& item : expr.children) list->items.push_back(evaluate(*item, scope));
      return Value::of(list);
    }
    case ExprKind::dict:
      return dict_literal(expr, scope);
    case ExprKind::attribute: {
      const Value object = child(0);
      return run_.failed() ? object : get_attribute(run_, object, expr.text);
    }
    case ExprKind::item:
      return item(expr, scope);
    case ExprKind::slice:
      return run_.fail("a slice outside of brackets");
    case ExprKind::call:
      return call_expr(expr, scope, nullptr);
    case ExprKind::filter:
      return filter(expr, scope, nullptr);
    case ExprKind::test:
      return test(expr, scope);
    case ExprKind::conditional:
      if (truth(child(0))) return child(1);
      if (expr.children[2]) return child(2);
      return Value::of_undefined("the condition does not hold and there is no else");
    case ExprKind::logical_and: {
      const Value left = child(0);
      return truth(left) ? child(1) : left;
    }
    case ExprKind::logical_or: {
      const Value left = child(0);
      return truth(left) ? left : child(1);
    }
    case ExprKind::logical_not:
      return Value::of(!truth(child(0)));
    case ExprKind::negative:
      return negate(run_, child(0));
    case ExprKind::positive: {
      const Value value = child(0);
      if (value.is_number()) return value.is(Kind::boolean) ? Value::of(value.as_integer()) : value;
      return run_.fail(std::string("unary + does not work on ") + type_name(value));
    }
    case ExprKind::concat:
      return concat(expr, scope);
    case ExprKind::compare:
      return compare(expr, scope);
    case ExprKind::binary: {
      const Value left = child(0), right = child(1);
      return run_.failed() ? left : arithmetic(run_, expr.operators[0], left, right);
    }
  }
  return Value::of_undefined("");
}

// Innermost scope first, then what the caller gave, then the functions that always exist.
Value Interpreter::name(const Expr& expr, Scope* scope) {
  for (Scope* at = scope; at; at = at->parent) {
    if (!run_.spend(at->variables.size() / 32)) break;
    if (const Value* found = at->find_here(expr.symbol)) return *found;
  }
  const Value& given = context_[static_cast<std::size_t>(expr.symbol)];
  if (given.given()) return given;
  if (const Native native = find_function(expr.text)) {
    Callable* function = run_.callable();
    function->name = expr.text;
    function->native = native;
    return Value::of(function);
  }
  const Value what = run_.text("'" + std::string(expr.text.substr(0, 100)) + "' is undefined");
  return Value::of_undefined(what.is_string() ? what.text : std::string_view());
}

Value Interpreter::dict_literal(const Expr& expr, Scope* scope) {
  Dict* dict = run_.dict();
  for (std::size_t i = 0; i + 1 < expr.children.size(); i += 2) {
    const Value key = evaluate(*expr.children[i], scope);
    const Value value = evaluate(*expr.children[i + 1], scope);
    if (run_.failed()) break;
    if (!is_hashable(key)) {
      return run_.fail(std::string("a value of type ") + type_name(key) + " cannot be a key");
    }
    if (spend_key(run_, key)) dict->set(key, value);
  }
  return Value::of(dict);
}

Value Interpreter::item(const Expr& expr, Scope* scope) {
  const Value object = evaluate(*expr.children[0], scope);
  if (run_.failed()) return object;
  const Expr& key = *expr.children[1];
  if (key.kind != ExprKind::slice) {
    const Value index = evaluate(key, scope);
    return run_.failed() ? index : get_item(run_, object, index);
  }
  Value bounds[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (key.children[i]) bounds[i] = evaluate(*key.children[i], scope);
  }
  return run_.failed() ? object : get_slice(run_, object, bounds[0], bounds[1], bounds[2]);
}

bool Interpreter::arguments_of(const Expr& expr, Scope* scope, Arguments& out) {
  out.positional.reserve(expr.positional.size());
  for (const auto& argument : expr.positional) out.positional.push_back(evaluate(*argument, scope));
  for (const auto& [name, argument] : expr.named) {
    if (out.find(name)) {
      run_.fail("an argument is named twice");
      return false;
    }
    out.named.emplace_back(name, evaluate(*argument, scope));
  }
  if (expr.more_positional) {
    const std::vector<Value>* more = iterate(run_, evaluate(*expr.more_positional, scope));
    if (!more || !run_.spend(more->size())) return false;
    out.positional.insert(out.positional.end(), more->begin(), more->end());
  }
  if (expr.more_named) {
    const Value more = evaluate(*expr.more_named, scope);
    if (!run_.failed() && !more.is(Kind::dict)) run_.fail("** needs a dict");
    if (run_.failed()) return false;
    if (more.dict->entries.size() > kMaxMoreNamed) run_.fail("** holds too many arguments");
    if (!run_.spend(more.dict->entries.size())) return false;
    for (const auto& [key, value] : more.dict->entries) {
      if (!key.is_string() || out.find(key.text)) {
        run_.fail("an argument of ** has a bad name, or is given twice");
        return false;
      }
      out.named.emplace_back(key.text, value);
    }
  }
  return !run_.failed();
}

Value Interpreter::call_expr(const Expr& expr, Scope* scope, const Value* caller) {
  Arguments arguments;
  const Expr& callee = *expr.children[0];
  if (callee.kind == ExprKind::attribute) {  // a method, without a bound method in between
    const Value object = evaluate(*callee.children[0], scope);
    if (run_.failed()) return object;
    if (const Native method = find_method(object, callee.text)) {
      if (caller) return run_.fail("a call block needs a macro");
      return arguments_of(expr, scope, arguments) ? method(run_, object, arguments)
                                                  : Value::of_undefined("");
    }
    const Value found = get_attribute(run_, object, callee.text);
    if (!arguments_of(expr, scope, arguments)) return found;
    if (caller) arguments.named.emplace_back("caller", *caller);
    return call(found, arguments);
  }
  const Value function = evaluate(callee, scope);
  if (!arguments_of(expr, scope, arguments)) return function;
  if (caller) arguments.named.emplace_back("caller", *caller);
  return call(function, arguments);
}

// In a filter block the chain ends in a filter without input: there `input` goes in.
Value Interpreter::filter(const Expr& expr, Scope* scope, const Value* input) {
  if (++stack_depth_ > kMaxStackDepth) run_.fail("the template is nested too deeply");
  const auto& inner = expr.children[0];
  Value value;
  if (!inner) {
    value = input ? *input : Value::of_undefined("");
  } else if (input) {
    value = filter(*inner, scope, input);
  } else {
    value = evaluate(*inner, scope);
  }
  --stack_depth_;
  if (run_.failed()) return value;
  if (!expr.native) {
    return run_.fail("no filter named '" + std::string(expr.text.substr(0, 100)) + "'");
  }
  Arguments arguments;
  if (!arguments_of(expr, scope, arguments)) return value;
  return expr.native(run_, value, arguments);
}

Value Interpreter::test(const Expr& expr, Scope* scope) {
  const Value value = evaluate(*expr.children[0], scope);
  Arguments arguments;
  if (run_.failed() || !arguments_of(expr, scope, arguments)) return value;
  if (!expr.native) {
    return run_.fail("no test named '" + std::string(expr.text.substr(0, 100)) + "'");
  }
  return expr.native(run_, value, arguments);
}

// a < b < c: as Python, and each operand once.
Value Interpreter::compare(const Expr& expr, Scope* scope) {
  Value left = evaluate(*expr.children[0], scope);
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    const Value right = evaluate(*expr.children[i + 1], scope);
    if (run_.failed()) return left;
    if (!comparison(run_, expr.operators[i], left, right)) return Value::of(false);
    left = right;
  }
  return Value::of(true);
}

Value Interpreter::concat(const Expr& expr, Scope* scope) {
  std::string text;
  for (const auto& part : expr.children) {
    append_str(run_, text, evaluate(*part, scope));
    if (run_.failed() || text.size() > run_.limits().max_output_bytes) break;
  }
  return run_.text(std::move(text));
}

}  // namespace millrace::text::jinja
