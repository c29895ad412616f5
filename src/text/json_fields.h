// Reading the fields of tokenizer files: every error names its field.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace millrace::text {

inline std::unexpected<Error> bad_field(const std::string& field, const std::string& what) {
  return invalid(field + ": " + what, field);
}
inline std::string quoted(std::string_view text) {  // short enough for a message
  return "'" + std::string(text.substr(0, 64)) + "'";
}

inline const json::value* find_field(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(name);
  return value && !value->is_null() ? value : nullptr;
}

// Missing and null are the default; another type is an error.
inline Result<bool> bool_field(const json::object& object, std::string_view name, bool otherwise,
                               const std::string& path) {
  const json::value* const value = find_field(object, name);
  if (!value) return otherwise;
  if (!value->is_bool()) return bad_field(path + "." + std::string(name), "not true or false");
  return value->get_bool();
}
inline Result<std::string> string_field(const json::object& object, std::string_view name,
                                        std::string otherwise, const std::string& path) {
  const json::value* const value = find_field(object, name);
  if (!value) return otherwise;
  if (!value->is_string()) return bad_field(path + "." + std::string(name), "not a string");
  return std::string(value->get_string());
}
// The "type" of a component; empty where it says none.
inline Result<std::string> type_field(const json::value& component, const std::string& path) {
  if (!component.is_object()) return bad_field(path, "not an object");
  return string_field(component.get_object(), "type", "", path);
}
inline Result<const json::array*> array_field(const json::object& object, std::string_view name,
                                              const std::string& path) {
  const json::value* const value = find_field(object, name);
  if (!value || !value->is_array()) {
    return bad_field(path + "." + std::string(name), "not an array");
  }
  return &value->get_array();
}

inline std::string item_path(const std::string& path, std::string_view list, std::size_t i) {
  return path + "." + std::string(list) + "[" + std::to_string(i) + "]";
}

// {"String": "…"} or {"Regex": "…"}; a bare string is a literal.
struct JsonPattern {
  std::string text;
  bool is_regex = false;
};
inline Result<JsonPattern> read_pattern(const json::object& component, const std::string& path) {
  const std::string where = path + ".pattern";
  const json::value* const value = find_field(component, "pattern");
  if (value && value->is_string()) return JsonPattern{std::string(value->get_string())};
  if (!value || !value->is_object()) return bad_field(where, "neither a String nor a Regex");
  const bool is_regex = find_field(value->get_object(), "Regex") != nullptr;
  auto text = string_field(value->get_object(), is_regex ? "Regex" : "String", "", where);
  if (!text) return pass(text);
  if (text->empty()) return bad_field(where, "empty");
  return JsonPattern{std::move(*text), is_regex};
}

}  // namespace millrace::text
