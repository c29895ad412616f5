// The status line and fields of a response, formatted once into one string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/http_types.h"

namespace millrace::net {

enum class BodyFraming : std::uint8_t { none, length, chunked, until_close };

struct ResponseHead {
  int status = 200;
  std::string_view content_type{};        // empty: no such field
  const HeaderFields* headers = nullptr;  // may be null
  std::string_view request_id{};
  BodyFraming framing = BodyFraming::length;
  std::size_t content_length = 0;
  std::size_t room = 0;     // bytes that the caller will append
  bool close = false;       // Connection: close
  bool keep_alive = false;  // say so, which HTTP/1.0 clients need
};

// Names and values that could end the head early, and fields that frame the message, are left out.
std::string format_response_head(const ResponseHead& head);

std::string_view reason_phrase(int status);

bool is_request_id(std::string_view text);  // 1 to 128 printable ASCII characters, no space

}  // namespace millrace::net
