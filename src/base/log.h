// Logging: the one file that names the logging library. `log_info("model {} ready in {:.2f} s",
// …)`. Strings from requests are escaped by the sink; prompts and keys are never logged.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace millrace {

enum class LogLevel { debug, info, warn, error, off };

// CR, LF, ESC, NUL … as \xNN, so that one event is one line whatever a request put into it.
std::string escape_control_characters(std::string_view line);

void set_log_level(LogLevel level);
bool log_enabled(LogLevel level);
void log_line(LogLevel level,
              std::string_view line);  // thread-safe; control characters are escaped

template <class... Args>
void log_at(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::warn, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::error, format, std::forward<Args>(args)...);
}

}  // namespace millrace
