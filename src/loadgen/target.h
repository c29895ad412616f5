// Where the load goes: an http:// URL taken apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::loadgen {

struct Target {
  std::string host;
  std::uint16_t port = 80;
  std::string prefix{};  // of every path: "" or "/some/path", without a last '/' or "/v1"

  std::string host_header() const;  // "[::1]:8000"
  std::string url() const;
};

// "http://host[:port][/prefix][/v1]"; "host:port" alone is taken as http. https is refused: the
// client speaks plain TCP.
Result<Target> parse_target(std::string_view url);

}  // namespace millrace::loadgen
