// Label: what an error is about. Put into words only where there is an error.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "api/errors.h"

namespace millrace::api {

// "parameters", or "input 'x'" with a name from the request. A view: it lives no longer than its
// texts. Formattable.
struct Label {
  std::string_view what;
  const std::string* name = nullptr;

  Label(std::string_view text) : what(text) {}
  Label(const char* text) : what(text) {}
  Label(const std::string& text) : what(text) {}
  Label(const char* text, const std::string& of) : what(text), name(&of) {}
};

}  // namespace millrace::api

template <>
struct fmt::formatter<millrace::api::Label> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const millrace::api::Label& label, Context& context) const {
    if (!label.name) return fmt::format_to(context.out(), "{}", label.what);
    return fmt::format_to(context.out(), "{} {}", label.what,
                          millrace::api::safe_name(*label.name));
  }
};
