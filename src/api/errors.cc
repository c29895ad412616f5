#include "api/errors.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json_writer.h"
#include "api/kserve/kserve_errors.h"
#include "api/torchserve/torchserve_errors.h"

namespace millrace::api {
namespace {

constexpr std::size_t kMaxEchoedBytes = 64;

struct Answer {
  int status;
  int grpc;
  const char* type;
};

Answer answer_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument:
      return {400, 3, "invalid_request_error"};
    case ErrorKind::unauthenticated:
      return {401, 16, "authentication_error"};
    case ErrorKind::not_found:
      return {404, 5, "invalid_request_error"};
    case ErrorKind::conflict:
      return {409, 6, "invalid_request_error"};
    case ErrorKind::too_large:
      return {413, 8, "invalid_request_error"};
    case ErrorKind::rate_limited:
      return {429, 8, "rate_limit_error"};
    case ErrorKind::unavailable:
      return {503, 14, "service_unavailable_error"};
    case ErrorKind::deadline_exceeded:
      return {504, 4, "timeout_error"};
    case ErrorKind::cancelled:
      return {499, 1, "request_cancelled"};
    case ErrorKind::internal:
      break;
  }
  return {500, 13, "server_error"};
}

std::string body_of(std::string_view type, std::string_view message, std::string_view param,
                    std::string_view code) {
  std::string body;
  JsonWriter json(body);
  json.open_object().key("error").open_object();
  json.field("message", message).field("type", type).key("param");
  param.empty() ? json.null() : json.string(param);
  json.key("code");
  code.empty() ? json.null() : json.string(code);
  json.close_object().close_object();
  return body;
}

// TensorFlow Serving's, by what only its paths have.
bool is_tf_serving(std::string_view path) {
  if (!path.starts_with("/v1/models/")) return false;
  return path.contains(':') || path.contains("/versions/") || path.contains("/labels/") ||
         path.ends_with("/metadata");
}

const char* code_of_status(int status) {
  switch (status) {
    case 404:
      return "not_found";
    case 405:
      return "method_not_allowed";
    case 408:
      return "request_timeout";
    case 413:
      return "body_too_large";
    case 414:
      return "target_too_long";
    case 415:
      return "unsupported_media_type";
    case 431:
      return "headers_too_large";
    default:
      return status >= 500 ? "" : "bad_request";
  }
}

}  // namespace

int http_status(const Error& error) {
  // Refusals with a status of their own that are no kinds of their own.
  if (error.code == "unsupported_media_type") return 415;
  if (error.code == "not_allowed") return 403;
  if (error.code == "not_implemented") return 501;
  return answer_of(error.kind).status;
}

int grpc_code(const Error& error) {
  if (error.code == "not_allowed") return 7;
  if (error.code == "not_implemented") return 12;
  return answer_of(error.kind).grpc;
}

std::string error_body(const Error& error) {
  return body_of(answer_of(error.kind).type, error.message, error.param, error.code);
}

net::HttpResponse error_response(const Error& error) {
  net::HttpResponse response{.status = http_status(error), .body = error_body(error)};
  if (error.retry_after_ms > 0) {
    const auto seconds = (error.retry_after_ms + 999) / 1000;
    response.headers.emplace_back("Retry-After", fmt::format("{}", seconds));
    response.headers.emplace_back("retry-after-ms", fmt::format("{}", error.retry_after_ms));
  }
  if (error.kind == ErrorKind::unauthenticated) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return response;
}

std::string error_body_of_status(int status, std::string_view path, std::string_view message) {
  if (path == "/v2" || path.starts_with("/v2/") || is_tf_serving(path)) {
    return kserve_error_body(message);
  }
  if (path.starts_with("/predictions/") || path.starts_with("/models/")) {
    return torchserve_error_body(status, message);
  }
  const char* type = status >= 500 ? "server_error" : "invalid_request_error";
  return body_of(type, message, {}, code_of_status(status));
}

std::string safe_name(std::string_view text) {
  std::string shown(text.substr(0, kMaxEchoedBytes));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  if (text.size() > kMaxEchoedBytes) shown += "...";
  return "'" + shown + "'";
}

}  // namespace millrace::api
