#include "text/jinja/callable.h"

#include <algorithm>
#include <string>

#include "text/jinja/run.h"

namespace millrace::text::jinja {

const Value* Arguments::find(std::string_view name) const {
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

Value* Scope::find_here(int symbol) {
  for (auto& [name, value] : variables) {
    if (name == symbol) return &value;
  }
  return nullptr;
}

void Scope::set(int symbol, const Value& value) {
  if (Value* old = find_here(symbol)) {
    *old = value;
  } else {
    variables.emplace_back(symbol, value);
  }
}

bool bind(Run& run, std::string_view callee, const Arguments& arguments,
          std::initializer_list<std::string_view> parameters, std::size_t num_required,
          std::span<Value> out) {
  const std::string name(callee);
  if (arguments.positional.size() > parameters.size()) {
    run.fail(name + "() takes at most " + std::to_string(parameters.size()) + " arguments, " +
             std::to_string(arguments.positional.size()) + " were given");
    return false;
  }
  std::ranges::copy(arguments.positional, out.begin());
  for (const auto& [key, value] : arguments.named) {
    const auto found = std::ranges::find(parameters, key);
    if (found == parameters.end()) {
      run.fail(name + "() has no argument '" + std::string(key) + "'");
      return false;
    }
    Value& slot = out[static_cast<std::size_t>(found - parameters.begin())];
    if (slot.given()) {
      run.fail(name + "() got two values for '" + std::string(key) + "'");
      return false;
    }
    slot = value;
  }
  for (std::size_t i = 0; i < num_required; ++i) {
    if (!out[i].given()) {
      run.fail(name + "() needs an argument '" + std::string(parameters.begin()[i]) + "'");
      return false;
    }
  }
  return true;
}

}  // namespace millrace::text::jinja
