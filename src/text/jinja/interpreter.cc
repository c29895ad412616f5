#include "text/jinja/interpreter.h"

#include <utility>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text_form.h"

namespace millrace::text::jinja {
namespace {

std::string_view view_of(const json::string& text) {
  return {text.data(), text.size()};
}

}  // namespace

Interpreter::Interpreter(Run& run, const Template& source, const json::object& context)
    : run_(run), template_(source), context_(source.symbols.size()) {
  for (const auto& entry : context) {
    const int symbol = source.symbols.find({entry.key().data(), entry.key().size()});
    if (symbol >= 0) context_[static_cast<std::size_t>(symbol)] = from_json(entry.value());
  }
}

// Strings stay where they are; the caller's JSON is already bounded in size and depth.
Value Interpreter::from_json(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return Value::of_none();
    case json::kind::bool_:
      return Value::of(value.get_bool());
    case json::kind::int64:
      return Value::of(std::int64_t{value.get_int64()});
    case json::kind::uint64:
      return Value::of(static_cast<double>(value.get_uint64()));
    case json::kind::double_:
      return Value::of(value.get_double());
    case json::kind::string:
      return Value::of(view_of(value.get_string()));
    case json::kind::array: {
      List* list = run_.list();
      list->items.reserve(value.get_array().size());
      for (const auto& item : value.get_array()) list->items.push_back(from_json(item));
      return Value::of(list);
    }
    case json::kind::object: {
      Dict* dict = run_.dict();
      dict->entries.reserve(value.get_object().size());
      for (const auto& entry : value.get_object()) {
        dict->entries.emplace_back(
            Value::of(std::string_view(entry.key().data(), entry.key().size())),
            from_json(entry.value()));
      }
      return Value::of(dict);
    }
  }
  return Value::of_none();
}

std::string Interpreter::render() {
  std::string out;
  execute(template_.body, run_.scope(nullptr), out);
  return out;
}

void Interpreter::emit(std::string& out, std::string_view text) {
  if (out.size() + text.size() > run_.limits().max_output_bytes) {
    run_.fail("the output is longer than " + std::to_string(run_.limits().max_output_bytes) +
              " bytes");
    return;
  }
  out += text;
}

Interpreter::Flow Interpreter::execute(const std::vector<Statement>& body, Scope* scope,
                                       std::string& out) {
  if (++stack_depth_ > kMaxStackDepth) run_.fail("the template is nested too deeply");
  Flow flow = Flow::normal;
  for (const Statement& statement : body) {
    run_.set_line(statement.line);
    if (!run_.spend()) break;
    flow = execute(statement, scope, out);
    if (flow != Flow::normal || run_.failed()) break;
  }
  --stack_depth_;
  return flow;
}

Interpreter::Flow Interpreter::execute(const Statement& statement, Scope* scope, std::string& out) {
  switch (statement.kind) {
    case StatementKind::text:
      emit(out, statement.text);
      break;
    case StatementKind::print: {
      const Value value = evaluate(*statement.expr, scope);
      if (value.is_string()) {
        emit(out, value.text);
      } else {
        emit(out, to_str(run_, value));
      }
      break;
    }
    case StatementKind::if_else:
      return if_else(statement, scope, out);
    case StatementKind::for_loop:
      return for_loop(statement, scope, out);
    case StatementKind::assign:
      assign(statement.target, evaluate(*statement.expr, scope), scope);
      break;
    case StatementKind::assign_block:
      assign_block(statement, scope);
      break;
    case StatementKind::with:
      return with(statement, scope, out);
    case StatementKind::macro:
      scope->set(statement.symbol, define_macro(statement, scope));
      break;
    case StatementKind::call_block:
      call_block(statement, scope, out);
      break;
    case StatementKind::filter_block:
      filter_block(statement, scope, out);
      break;
    case StatementKind::scoped:
      return execute(statement.body, run_.scope(scope), out);
    case StatementKind::break_loop:
      return Flow::break_loop;
    case StatementKind::continue_loop:
      return Flow::continue_loop;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::if_else(const Statement& statement, Scope* scope, std::string& out) {
  for (const Branch& branch : statement.branches) {
    const bool holds = truth(evaluate(*branch.condition, scope));
    if (run_.failed()) return Flow::normal;
    if (holds) return execute(branch.body, scope, out);
  }
  return execute(statement.otherwise, scope, out);
}

Interpreter::Flow Interpreter::for_loop(const Statement& statement, Scope* scope,
                                        std::string& out) {
  const Value source = evaluate(*statement.expr, scope);
  if (!run_.failed()) iterate_body(statement, scope, source, 1, out);
  return Flow::normal;
}

std::vector<Value>* Interpreter::filtered(const Statement& statement, Scope* scope,
                                          const std::vector<Value>& items) {
  List* kept = run_.list();
  for (std::size_t i = 0; i < items.size() && run_.spend(); ++i) {
    const Value item = items[i];
    Scope* inner = run_.scope(scope);
    assign(statement.target, item, inner);
    if (truth(evaluate(*statement.condition, inner))) kept->items.push_back(item);
  }
  return &kept->items;
}

void Interpreter::iterate_body(const Statement& statement, Scope* scope, const Value& source,
                               int depth, std::string& out) {
  const std::vector<Value>* items = iterate(run_, source);
  if (items && statement.condition) items = filtered(statement, scope, *items);
  if (!items || run_.failed()) return;
  static constexpr std::string_view kLoop = "loop";
  const int loop_symbol = template_.symbols.find(kLoop);
  Loop* loop = run_.loop();
  loop->items = items;
  loop->depth = depth;
  loop->statement = &statement;
  loop->scope = scope;
  bool completed = false;  // jinja2's else runs where no round came to its end
  // By index, and looked at afresh each time: the body may change the list.
  for (std::size_t i = 0; i < items->size() && run_.spend(); ++i) {
    loop->index = i;
    Scope* inner = run_.scope(scope);
    if (loop_symbol >= 0) inner->set(loop_symbol, Value::of(loop));
    const Value item = (*items)[i];
    assign(statement.target, item, inner);
    if (run_.failed()) return;
    const Flow flow = execute(statement.body, inner, out);
    completed |= flow == Flow::normal;
    if (flow == Flow::break_loop) break;
  }
  if (!completed) execute(statement.otherwise, run_.scope(scope), out);
}

void Interpreter::assign(const Target& target, const Value& value, Scope* scope) {
  if (run_.failed()) return;
  if (target.is_tuple) {
    const std::vector<Value>* items = iterate(run_, value);
    if (!items) return;
    if (items->size() != target.several.size()) {
      run_.fail(std::to_string(items->size()) + " values cannot be unpacked into " +
                std::to_string(target.several.size()) + " names");
      return;
    }
    const std::vector<Value> copy = *items;
    for (std::size_t i = 0; i < copy.size(); ++i) assign(target.several[i], copy[i], scope);
    return;
  }
  if (target.attribute.empty()) {
    scope->set(target.symbol, value);
    return;
  }
  Value* space = nullptr;
  for (Scope* at = scope; at && !space; at = at->parent) space = at->find_here(target.symbol);
  if (!space || !space->is(Kind::space)) {
    run_.fail("attributes can be assigned to namespaces only");
  } else if (target.attribute.starts_with('_')) {
    run_.fail("a namespace cannot hold names that begin with an underscore");
  } else {
    space->dict->set(Value::of(target.attribute), value);
  }
}

void Interpreter::assign_block(const Statement& statement, Scope* scope) {
  std::string text;
  execute(statement.body, run_.scope(scope), text);
  Value value = run_.text(std::move(text));
  if (statement.expr && !run_.failed()) value = filter(*statement.expr, scope, &value);
  assign(statement.target, value, scope);
}

Interpreter::Flow Interpreter::with(const Statement& statement, Scope* scope, std::string& out) {
  Scope* inner = run_.scope(scope);
  for (const Parameter& parameter : statement.parameters) {
    inner->set(parameter.symbol, evaluate(*parameter.default_value, scope));
  }
  return execute(statement.body, inner, out);
}

Value Interpreter::define_macro(const Statement& statement, Scope* scope) {
  Callable* macro = run_.callable();
  macro->name = statement.text;
  macro->macro = &statement;
  macro->scope = scope;
  return Value::of(macro);
}

void Interpreter::call_block(const Statement& statement, Scope* scope, std::string& out) {
  const Value caller = define_macro(statement, scope);
  const Value text = call_expr(*statement.expr, scope, &caller);
  if (!run_.failed()) emit(out, to_str(run_, text));
}

void Interpreter::filter_block(const Statement& statement, Scope* scope, std::string& out) {
  std::string text;
  execute(statement.body, run_.scope(scope), text);
  const Value input = run_.text(std::move(text));
  if (!run_.failed()) emit(out, to_str(run_, filter(*statement.expr, scope, &input)));
}

Value Interpreter::call_loop(const Loop& loop, const Arguments& arguments) {
  if (!loop.statement->recursive)
    return run_.fail("only the loop of a recursive for can be called");
  if (arguments.positional.size() != 1) return run_.fail("loop() takes one sequence");
  if (++call_depth_ > run_.limits().max_depth) return run_.fail("loops are nested too deeply");
  std::string out;
  iterate_body(*loop.statement, loop.scope, arguments.positional[0], loop.depth + 1, out);
  --call_depth_;
  return run_.text(std::move(out));
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  if (run_.failed()) return Value::of_undefined("");
  if (callee.is(Kind::loop)) return call_loop(*callee.loop, arguments);
  if (!callee.is(Kind::callable)) {
    return run_.fail(callee.is_undefined() ? std::string(callee.text)
                                           : std::string("a value of type ") + type_name(callee) +
                                                 " cannot be called");
  }
  const Callable& callable = *callee.callable;
  if (callable.macro) return call_macro(callable, arguments);
  return callable.native(run_, callable.self, arguments);
}

Value Interpreter::call_macro(const Callable& macro, const Arguments& arguments) {
  if (++call_depth_ > run_.limits().max_depth) {
    return run_.fail("macros call each other too deeply");
  }
  Scope* scope = run_.scope(macro.scope);
  std::string out;
  if (bind_macro(*macro.macro, arguments, scope)) execute(macro.macro->body, scope, out);
  --call_depth_;
  return run_.text(std::move(out));
}

bool Interpreter::bind_macro(const Statement& macro, const Arguments& arguments, Scope* scope) {
  const auto& parameters = macro.parameters;
  const auto refuse = [&](const std::string& what) {
    run_.fail("macro '" + std::string(macro.text) + "' " + what);
    return false;
  };
  std::vector<Value> values(parameters.size());
  const auto& positional = arguments.positional;
  const std::size_t taken = std::min(positional.size(), parameters.size());
  std::copy_n(positional.begin(), taken, values.begin());
  Dict* more_named = nullptr;
  const Value* caller = nullptr;
  for (const auto& [key, value] : arguments.named) {
    std::size_t at = 0;
    while (at < parameters.size() && parameters[at].name != key) ++at;
    if (at < parameters.size()) {
      if (values[at].given()) return refuse("got two values for '" + std::string(key) + "'");
      values[at] = value;
    } else if (key == "caller" && macro.uses_caller) {
      caller = &value;
    } else if (macro.uses_kwargs) {
      if (!more_named) more_named = run_.dict();
      more_named->set(Value::of(key), value);
    } else {
      return refuse("takes no argument '" + std::string(key.substr(0, 100)) + "'");
    }
  }
  if (positional.size() > parameters.size() && !macro.uses_varargs) {
    return refuse("takes at most " + std::to_string(parameters.size()) + " arguments");
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!values[i].given()) {
      values[i] = parameters[i].default_value ? evaluate(*parameters[i].default_value, scope)
                                              : Value::of_undefined("a parameter was not provided");
    }
    scope->set(parameters[i].symbol, values[i]);
  }
  if (macro.uses_varargs) {
    List* rest = run_.list(ListKind::tuple);
    rest->items.assign(positional.begin() + static_cast<std::ptrdiff_t>(taken), positional.end());
    scope->set(template_.symbols.find("varargs"), Value::of(rest));
  }
  if (macro.uses_kwargs) {
    scope->set(template_.symbols.find("kwargs"), Value::of(more_named ? more_named : run_.dict()));
  }
  if (macro.uses_caller) {
    scope->set(template_.symbols.find("caller"),
               caller ? *caller : Value::of_undefined("no caller was defined"));
  }
  return !run_.failed();
}

}  // namespace millrace::text::jinja
