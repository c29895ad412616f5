// The one file that names the JSON library. Parsing is strict (RFC 8259): bounded depth and size,
// no duplicate keys, valid UTF-8, no trailing bytes.
#pragma once

#include <array>
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

// Error codes: "invalid_json", "json_too_deep", "body_too_large". Thread-safe. The value lies in
// `memory` (default: the heap), which must outlive it.
Result<json::value> parse_json(std::string_view text, const JsonLimits& limits = {},
                               const json::storage_ptr& memory = {});

// For values that are read and dropped: what fits lies on the stack, without a call for memory.
// Never gives anything back before its end, so only for small texts.
class JsonScratch {
 public:
  static constexpr std::size_t kSmallTextBytes = 1024;

  // The heap where `text` is not small.
  json::storage_ptr memory_for(std::string_view text) {
    return text.size() <= kSmallTextBytes ? json::storage_ptr(&resource_) : json::storage_ptr();
  }

 private:
  std::array<unsigned char, 4096> bytes_;
  json::monotonic_resource resource_{bytes_.data(), bytes_.size()};
};

std::string dump_json(const json::value& value);

}  // namespace millrace
