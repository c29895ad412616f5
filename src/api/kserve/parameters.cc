#include "api/kserve/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace millrace::api {

const JsonScalar* Parameters::find(std::string_view name) const {
  const auto found = std::ranges::find(items_, name, &Item::first);
  return found == items_.end() ? nullptr : &found->second;
}

Result<std::optional<std::int64_t>> integer_in(const Parameters& from, std::string_view name,
                                               std::int64_t min, std::int64_t max,
                                               const Label& label) {
  const JsonScalar* value = from.find(name);
  if (!value) return std::nullopt;
  const auto* number = std::get_if<std::int64_t>(value);
  if (number && *number >= min && *number <= max) return *number;
  return invalid(
      fmt::format("{}: '{}' must be a whole number from {} to {}", label, name, min, max),
      std::string(name));
}

Result<std::optional<bool>> flag_in(const Parameters& from, std::string_view name,
                                    const Label& label) {
  const JsonScalar* value = from.find(name);
  if (!value) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  return invalid(fmt::format("{}: '{}' must be true or false", label, name), std::string(name));
}

}  // namespace millrace::api
