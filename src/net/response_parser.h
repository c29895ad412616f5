// ResponseParser: HTTP/1.x responses for our client, incremental. Interim (1xx) responses are
// skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/chunked_decoder.h"
#include "net/http_types.h"

namespace millrace::net {

class ResponseParser {
 public:
  enum class Phase : std::uint8_t { head, body, done, failed };

  ResponseParser(bool to_head_request, std::size_t max_body_bytes);

  // Takes bytes until done or failed. Decoded body bytes are appended to body(), from which the
  // caller may take them at any time.
  std::size_t feed(std::string_view bytes);
  void end_of_input();  // ends a body that has no declared length; fails any other
  Phase phase() const { return phase_; }
  const char* error() const { return error_; }

  int status() const { return status_; }  // from body on
  Headers& headers() { return headers_; }
  std::string& body() { return body_; }
  bool keep_alive() const { return keep_alive_; }

 private:
  void fail(const char* error);
  void take_line(std::string_view line);
  void take_status_line(std::string_view line);
  void end_head();

  HttpLimits limits_;
  bool to_head_request_;
  std::size_t max_body_bytes_;
  std::size_t num_body_bytes_ = 0;
  std::size_t num_head_bytes_ = 0;
  std::string line_;
  int status_ = 0;
  Headers headers_;
  std::string body_;
  std::optional<ChunkedDecoder> chunks_;
  std::optional<std::uint64_t> content_length_;
  bool http_1_0_ = false;
  bool keep_alive_ = true;
  const char* error_ = "";
  Phase phase_ = Phase::head;
};

}  // namespace millrace::net
