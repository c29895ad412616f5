// The one file that names the JSON library. Parsing is strict (RFC 8259): bounded depth and size,
// no duplicate keys, valid UTF-8, no trailing bytes.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

namespace json = boost::json;

struct JsonLimits {
  std::size_t max_bytes = std::size_t{8} << 20;
  std::size_t max_depth = 64;
  std::size_t max_keys_per_object = 10'000;
  std::size_t max_values = 1'000'000;
};

// Error codes: "invalid_json", "json_too_deep", "body_too_large". Thread-safe.
Result<json::value> parse_json(std::string_view text, const JsonLimits& limits = {});

std::string dump_json(const json::value& value);

}  // namespace millrace
