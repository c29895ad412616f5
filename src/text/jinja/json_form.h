// tojson as transformers defines it: Python's json.dumps(value, ensure_ascii=False, …).
#pragma once

#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace millrace::text::jinja {

class Run;

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // of one level
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

// Fails the run for what JSON cannot hold: undefined values, functions, generators, …
std::string to_json(Run& run, const Value& value, const JsonStyle& style);

}  // namespace millrace::text::jinja
