#include "api/errors.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace millrace::api {
namespace {

TEST(Errors, TheTable) {
  struct Row {
    ErrorKind kind;
    int status, code;  // of HTTP, of gRPC
  };
  const Row table[] = {
      {ErrorKind::invalid_argument, 400, 3}, {ErrorKind::unauthenticated, 401, 16},
      {ErrorKind::not_found, 404, 5},        {ErrorKind::conflict, 409, 6},
      {ErrorKind::too_large, 413, 8},        {ErrorKind::rate_limited, 429, 8},
      {ErrorKind::unavailable, 503, 14},     {ErrorKind::deadline_exceeded, 504, 4},
      {ErrorKind::cancelled, 499, 1},        {ErrorKind::internal, 500, 13}};
  for (const Row& row : table) {
    EXPECT_EQ(http_status({.kind = row.kind}), row.status);
    EXPECT_EQ(grpc_code({.kind = row.kind}), row.code);
  }
  EXPECT_EQ(http_status({.kind = ErrorKind::invalid_argument, .code = "unsupported_media_type"}),
            415);
  const Error not_allowed{.kind = ErrorKind::invalid_argument, .code = "not_allowed"};
  EXPECT_EQ(http_status(not_allowed), 403);
  EXPECT_EQ(grpc_code(not_allowed), 7);
  const Error not_implemented{.kind = ErrorKind::invalid_argument, .code = "not_implemented"};
  EXPECT_EQ(http_status(not_implemented), 501);
  EXPECT_EQ(grpc_code(not_implemented), 12);
}

TEST(Errors, TheBody) {
  const Error error{
      .kind = ErrorKind::invalid_argument, .message = "a \"b\"", .param = "n", .code = "c"};
  EXPECT_EQ(
      error_body(error),
      R"({"error":{"message":"a \"b\"","type":"invalid_request_error","param":"n","code":"c"}})");
  EXPECT_EQ(error_body({.kind = ErrorKind::internal, .message = "m"}),
            R"({"error":{"message":"m","type":"server_error","param":null,"code":null}})");
  EXPECT_EQ(
      error_body_of_status(404, "/v1/x", "No such route."),
      R"({"error":{"message":"No such route.","type":"invalid_request_error","param":null,"code":"not_found"}})");
  EXPECT_EQ(error_body_of_status(404, "/v2/x", "No such route."), R"({"error":"No such route."})");
}

TEST(Errors, Headers) {
  const auto header = [](const Error& error, std::string_view name) -> std::string {
    for (const auto& [key, value] : error_response(error).headers) {
      if (key == name) return value;
    }
    return "";
  };
  Error busy{.kind = ErrorKind::unavailable};
  EXPECT_EQ(header(busy, "Retry-After"), "");
  busy.retry_after_ms = 1200;
  EXPECT_EQ(header(busy, "Retry-After"), "2") << "whole seconds, rounded up";
  EXPECT_EQ(header({.kind = ErrorKind::unauthenticated}, "WWW-Authenticate"), "Bearer");
}

TEST(Errors, EchoesAreShortAndPlain) {
  EXPECT_EQ(safe_name("gpt-4"), "'gpt-4'");
  EXPECT_EQ(safe_name("a\r\n\x1b[1m\xff"), "'a???[1m?'");
  EXPECT_LT(safe_name(std::string(5000, 'x')).size(), 80u);
}

}  // namespace
}  // namespace millrace::api
