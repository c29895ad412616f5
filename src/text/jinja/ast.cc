#include "text/jinja/ast.h"

namespace millrace::text::jinja {

int Symbols::intern(std::string_view name) {
  const auto [found, added] = numbers_.try_emplace(name, static_cast<int>(names_.size()));
  if (added) names_.push_back(name);
  return found->second;
}

int Symbols::find(std::string_view name) const {
  const auto found = numbers_.find(name);
  return found == numbers_.end() ? -1 : found->second;
}

}  // namespace millrace::text::jinja
