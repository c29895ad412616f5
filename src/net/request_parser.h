// RequestParser: HTTP/1.1 request heads and bodies, incremental and strict (docs/decisions/0002).
// Anything two parties could read differently is refused. Errors are found at the same byte however
// the input is split. Holds memory only for a line or a body that is still incomplete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/chunked_decoder.h"
#include "net/http_limits.h"
#include "net/http_types.h"
#include "net/socket.h"

namespace millrace::net {

class RequestParser {
 public:
  enum class Phase : std::uint8_t {
    request_line,  // nothing, or part of the first line
    fields,
    head_done,  // route it, then call begin_body() or refuse it
    body,
    done,    // request() is whole
    failed,  // answer error_status() and close: what follows cannot be trusted
  };

  explicit RequestParser(const HttpLimits& limits) : limits_(&limits) {}

  // Takes bytes until head_done, done or failed, or all of them; returns how many.
  std::size_t feed(std::string_view bytes);
  Phase phase() const { return phase_; }
  bool untouched() const { return phase_ == Phase::request_line && !seen_bytes_; }

  int error_status() const { return error_status_; }  // 400 405 408 413 414 415 417 431 505
  const char* error_message() const { return error_message_; }

  // From head_done on.
  HttpRequest& request() { return request_; }
  std::string_view route_path() const {
    return encoded_path_.empty() ? std::string_view(request_.path) : encoded_path_;
  }
  bool has_body() const { return chunked_ || content_length_ > 0; }
  bool expects_continue() const { return expects_continue_; }
  bool keep_alive() const { return keep_alive_; }
  bool is_http_1_0() const { return http_1_0_; }

  // head_done → body or done; failed with 413 where the declared length is over the limit.
  void begin_body(std::size_t max_body_bytes);
  std::size_t num_body_bytes() const { return request_.body.size(); }
  // A body of known length is under way: read_body() takes its bytes from the stream straight to
  // where they stay, and none behind them. Returns what read() does; phase() tells as after feed().
  bool takes_body() const { return phase_ == Phase::body && !chunks_; }
  ssize_t read_body(ByteStream& stream);
  // Ready for the next request on the connection.
  void reset();

 private:
  enum class LineKind : std::uint8_t { request, field };

  void fail(int status, const char* message);
  bool take_line(std::string_view bytes, std::size_t& pos, std::string_view& line);
  void line_too_long(std::string_view bytes, std::size_t begin, std::size_t end);
  void take_request_line(std::string_view line);
  void take_field(std::string_view line);
  bool take_known_field(std::string_view name, std::string_view raw, std::string_view value);
  void take_content_length(std::string_view raw);
  void take_connection(std::string_view value);
  void end_head();
  std::size_t take_body(std::string_view bytes);
  void make_room(std::size_t count);

  const HttpLimits* limits_;
  HttpRequest request_;
  std::string encoded_path_;
  std::string line_;  // the part of a line that came so far
  std::optional<ChunkedDecoder> chunks_;
  std::uint64_t content_length_ = 0;
  std::size_t num_head_bytes_ = 0;
  const char* error_message_ = "";
  int error_status_ = 0;
  Phase phase_ = Phase::request_line;
  bool seen_bytes_ = false;
  bool after_cr_ = false;
  bool skipped_blank_line_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool expects_continue_ = false;
  bool bad_expectation_ = false;
  bool encoded_content_ = false;
  bool http_1_0_ = false;
  bool keep_alive_ = true;
  bool close_ = false;
  bool asked_keep_alive_ = false;
};

}  // namespace millrace::net
