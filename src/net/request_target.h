// The target of a request line (RFC 9112 §3.2, origin-form only, and "*"): one strict reading, so
// that no two layers can disagree about which path was meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::net {

struct RequestTarget {
  std::string path;          // percent-decoded once
  std::string encoded_path;  // as sent; empty where that equals `path`
  std::string query;         // raw, without the '?'

  // What the router matches: "%2F" is data inside a segment there, not a separator.
  std::string_view route_path() const { return encoded_path.empty() ? path : encoded_path; }
};

// Empty: refuse with 400. Refused are bytes outside RFC 3986's sets, fragments, bad or NUL or
// control escapes, '\' in either form, invalid UTF-8, and empty, "." or ".." segments after
// decoding. A trailing '/' is kept.
std::optional<RequestTarget> parse_request_target(std::string_view target);

// Decodes %XX; empty where an escape is broken.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace millrace::net
