// The header fields that gRPC adds to HTTP/2, as text.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace millrace::net {

// Of "grpc-timeout": at most 8 digits and a unit of H, M, S, m, u, n; counted from `now`.
Result<TimePoint> parse_rpc_timeout(std::string_view text, TimePoint now);

// Of "grpc-message": bytes other than printable ASCII, and '%', as %XX.
std::string encode_rpc_message(std::string_view text);

bool is_rpc_content_type(std::string_view text);

}  // namespace millrace::net
