// Request fields, each declared once: name, type, range, default, help. Parsing, validation, error
// messages, tests and documentation all read the declaration.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "base/result.h"

namespace millrace::api {

// Inclusive, unless open_min. Of numbers their value, of strings their length in bytes.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool open_min = false;
};

// One field of a request R. `null` counts as absent, as with OpenAI. An absent field leaves R as it
// is, so that R's own defaults (those of the model, say) stand.
template <class R>
struct Field {
  using SetBoolean = void (*)(R&, bool);
  using SetInteger = void (*)(R&, std::int64_t);
  using SetNumber = void (*)(R&, double);
  using SetString = void (*)(R&, std::string);
  using SetAny = Status (*)(R&, const json::value&);  // checks everything itself

  std::string_view name;
  std::variant<SetBoolean, SetInteger, SetNumber, SetString, SetAny> set;
  Range range{};
  std::string_view fallback{};  // for people
  std::string_view help{};
};

// The value as that type and within the range, or an error whose param is the name: codes
// "invalid_type" and "value_out_of_range". Integers may be written 2.0 but not 2.5 or "2".
Result<bool> read_boolean(std::string_view name, const json::value& value);
Result<std::int64_t> read_integer(std::string_view name, const json::value& value, Range range);
Result<double> read_number(std::string_view name, const json::value& value, Range range);
Result<std::string> read_string(std::string_view name, const json::value& value, Range range);

std::unexpected<Error> wrong_type(std::string_view name, std::string_view expected,
                                  const json::value& value);
std::unexpected<Error> missing(std::string_view name);
std::unexpected<Error> unsupported(std::string_view name, std::string_view why);

namespace detail {
template <class R>
Status apply(const Field<R>& field, R& request, const json::value& value) {
  using F = Field<R>;
  const auto store = [&](auto read, auto set) -> Status {
    if (!read) return pass(read);
    set(request, std::move(*read));
    return {};
  };
  const auto name = field.name;
  if (auto* set = std::get_if<typename F::SetBoolean>(&field.set)) {
    return store(read_boolean(name, value), *set);
  }
  if (auto* set = std::get_if<typename F::SetInteger>(&field.set)) {
    return store(read_integer(name, value, field.range), *set);
  }
  if (auto* set = std::get_if<typename F::SetNumber>(&field.set)) {
    return store(read_number(name, value, field.range), *set);
  }
  if (auto* set = std::get_if<typename F::SetString>(&field.set)) {
    return store(read_string(name, value, field.range), *set);
  }
  return std::get<typename F::SetAny>(field.set)(request, value);
}
}  // namespace detail

// Fills `request` from the members that `fields` knows; others are left alone.
template <class R>
Status parse_fields(std::span<const Field<R>> fields, const json::object& body, R& request) {
  for (const Field<R>& field : fields) {
    const json::value* value = body.if_contains(field.name);
    if (!value || value->is_null()) continue;
    if (auto ok = detail::apply(field, request, *value); !ok) return ok;
  }
  return {};
}

}  // namespace millrace::api
