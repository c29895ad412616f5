// Base64 (RFC 4648, 4): strict, with its padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::api {

// Empty where there is anything but the alphabet, the right padding and zero bits under it.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace millrace::api
