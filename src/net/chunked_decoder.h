// ChunkedDecoder: the chunked transfer coding (RFC 9112 §7.1), incremental and strict. Used for
// request bodies by the server and for response bodies by the client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/http_limits.h"

namespace millrace::net {

class ChunkedDecoder {
 public:
  // Borrows the limits. More than max_body decoded bytes is 413.
  ChunkedDecoder(const HttpLimits& limits, std::size_t max_body)
      : limits_(&limits), max_body_(max_body) {}

  // Appends decoded bytes to `body` and returns how many input bytes were taken; stops at the end
  // of the body or at an error. The result does not depend on how the input is split.
  std::size_t feed(std::string_view bytes, std::string& body);
  bool done() const { return state_ == State::done; }
  int error_status() const { return error_status_; }  // 0: none; else 400, 413 or 431
  const char* error_message() const { return error_message_; }

 private:
  enum class State : std::uint8_t {
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers,
    done
  };

  enum class Extension : std::uint8_t {
    name_start,
    name,
    value_start,
    value,
    quoted,
    escaped,
    end
  };

  void fail(int status, const char* message);
  void take_size_byte(char c);
  bool take_extension_byte(char c);
  void end_size_line();
  void take_trailer_byte(char c);
  void end_trailer_line();

  const HttpLimits* limits_;
  std::size_t max_body_;
  std::size_t num_body_bytes_ = 0;
  std::uint64_t chunk_left_ = 0;
  std::size_t num_chunks_ = 0;
  std::size_t num_extension_bytes_ = 0;
  std::size_t num_trailer_bytes_ = 0;
  std::string trailer_line_;
  const char* error_message_ = "";
  int error_status_ = 0;
  std::uint8_t num_size_digits_ = 0;
  State state_ = State::size;
  Extension extension_ = Extension::name_start;
  bool after_cr_ = false;
};

}  // namespace millrace::net
