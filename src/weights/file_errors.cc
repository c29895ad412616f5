#include "weights/file_errors.h"

#include <utility>

namespace millrace::weights {

std::unexpected<Error> bad_file(std::string message) {
  return invalid(std::move(message), {}, "invalid_model_file");
}

std::unexpected<Error> in_file(std::string_view base_name, Error error) {
  const std::string prefix = std::string(base_name) + ": ";
  if (!error.message.starts_with(prefix)) error.message.insert(0, prefix);
  if (error.code.empty()) error.code = "invalid_model_file";
  return std::unexpected(std::move(error));
}

std::string shown_name(std::string_view name) {
  constexpr std::size_t kMaxShown = 80;
  std::string shown = "\"";
  for (const char c : name.substr(0, kMaxShown)) shown += c >= ' ' && c <= '~' ? c : '?';
  if (name.size() > kMaxShown) shown += "…";
  return shown + '"';
}

}  // namespace millrace::weights
