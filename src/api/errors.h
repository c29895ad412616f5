// The one table from errors to what clients see: HTTP status, gRPC code and OpenAI's error body.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_types.h"

namespace millrace::api {

int http_status(const Error& error);
// As grpc::StatusCode numbers them.
int grpc_code(const Error& error);

// {"error":{"message":…,"type":…,"param":…,"code":…}}; param and code are null when empty.
std::string error_body(const Error& error);

// The whole response, with Retry-After or WWW-Authenticate where they belong.
net::HttpResponse error_response(const Error& error);

// For errors that never reach a handler (HttpServerOptions::error_body), in the dialect of the
// path.
std::string error_body_of_status(int status, std::string_view path, std::string_view message);

// A name from a request, safe to repeat in a message: short, printable.
std::string safe_name(std::string_view text);

}  // namespace millrace::api
