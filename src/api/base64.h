// Base64 (RFC 4648 §4), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::api {

void append_base64(std::string& out, std::string_view bytes);
// Strict: no line breaks, padded, no bits left over. Empty for anything else.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace millrace::api
