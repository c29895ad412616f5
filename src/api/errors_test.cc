#include "api/errors.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace millrace::api {
namespace {

TEST(Errors, TheTable) {
  const std::pair<ErrorKind, int> table[] = {
      {ErrorKind::invalid_argument, 400}, {ErrorKind::unauthenticated, 401},
      {ErrorKind::not_found, 404},        {ErrorKind::conflict, 409},
      {ErrorKind::too_large, 413},        {ErrorKind::rate_limited, 429},
      {ErrorKind::unavailable, 503},      {ErrorKind::deadline_exceeded, 504},
      {ErrorKind::cancelled, 499},        {ErrorKind::internal, 500}};
  for (const auto& [kind, status] : table) EXPECT_EQ(http_status({.kind = kind}), status);
  EXPECT_EQ(http_status({.kind = ErrorKind::invalid_argument, .code = "unsupported_media_type"}),
            415);
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
