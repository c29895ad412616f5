// multipart/form-data (RFC 7578): what browsers and curl -F send. Bytes only; strict and bounded.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::net {

struct FormPart {
  std::string name{};
  std::optional<std::string> file_name{};  // of files; never a path to be used
  std::string content_type{};              // as sent; empty where none is
  std::string_view body{};                 // within the request's body
};

struct MultipartLimits {
  std::size_t max_parts = 64;
  std::size_t max_head_bytes = 4096;  // of one part
};

// The boundary that a Content-Type names; empty where it is not multipart/form-data or has no
// proper boundary.
std::optional<std::string> form_boundary(std::string_view content_type);

// In the order of arrival; names may repeat. Errors: invalid_argument with code
// "invalid_multipart".
Result<std::vector<FormPart>> parse_multipart(std::string_view body, std::string_view boundary,
                                              const MultipartLimits& limits = {});

}  // namespace millrace::net
