// TOML as a plain tree that knows its lines and keeps the order of the file. For files that say
// more than one value a line; flat settings are base/settings.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace millrace {

struct TomlEntry;

struct TomlValue {
  using Array = std::vector<TomlValue>;
  using Table = std::vector<TomlEntry>;  // keys are unique
  std::variant<bool, std::int64_t, double, std::string, Array, Table> value;
  int line = 0;

  template <class T>
  const T* get() const {
    return std::get_if<T>(&value);
  }
  // Of a table; null where there is no such key, or this is no table.
  const TomlValue* find(std::string_view key) const;
};

struct TomlEntry {
  std::string key;
  TomlValue value;
};

struct TomlLimits {
  std::size_t max_bytes = std::size_t{256} << 10;
  int max_depth = 16;
  std::size_t max_values = 20'000;
};

// The whole document as a table. Errors begin with "<file_name>:<line>: ". Dates are refused.
Result<TomlValue> parse_toml_tree(std::string_view text, std::string_view file_name,
                                  const TomlLimits& limits = {});

// "a string", "a table", … for errors.
const char* kind_of(const TomlValue& value);

}  // namespace millrace
