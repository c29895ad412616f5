#include "net/chunked_decoder.h"

#include <algorithm>
#include <array>

#include "net/field_syntax.h"
#include "net/http_types.h"

namespace millrace::net {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Fields that would change framing, routing or rights must not come after the body (RFC 9110
// §6.5.1).
constexpr std::array<std::string_view, 14> kForbiddenTrailers = {"content-length",
                                                                 "transfer-encoding",
                                                                 "host",
                                                                 "authorization",
                                                                 "content-encoding",
                                                                 "content-type",
                                                                 "content-range",
                                                                 "trailer",
                                                                 "connection",
                                                                 "expect",
                                                                 "cookie",
                                                                 "x-api-key",
                                                                 "proxy-authorization",
                                                                 "te"};

}  // namespace

void ChunkedDecoder::fail(int status, const char* message) {
  error_status_ = status;
  error_message_ = message;
}

std::size_t ChunkedDecoder::feed(std::string_view bytes, std::string& body) {
  std::size_t pos = 0;
  while (pos < bytes.size() && error_status_ == 0 && state_ != State::done) {
    if (state_ == State::data) {
      const std::size_t n =
          static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, bytes.size() - pos));
      body.append(bytes.substr(pos, n));
      num_body_bytes_ += n;
      chunk_left_ -= n;
      pos += n;
      if (chunk_left_ == 0) state_ = State::data_cr;
      continue;
    }
    const char c = bytes[pos++];
    switch (state_) {
      case State::size:
      case State::extension:
      case State::size_lf:
        take_size_byte(c);
        break;
      case State::data_cr:
        if (c != '\r') fail(400, "chunk data does not end in CRLF");
        state_ = State::data_lf;
        break;
      case State::data_lf:
        if (c != '\n') fail(400, "chunk data does not end in CRLF");
        state_ = State::size;
        num_size_digits_ = 0;
        break;
      case State::trailers:
        take_trailer_byte(c);
        break;
      case State::data:
      case State::done:
        break;
    }
  }
  return pos;
}

void ChunkedDecoder::take_size_byte(char c) {
  if (state_ == State::size_lf) {
    if (c != '\n') return fail(400, "bare CR in a chunk size line");
    return end_size_line();
  }
  if (c == '\r') {
    const bool whole = state_ == State::size || extension_ == Extension::name ||
                       extension_ == Extension::value || extension_ == Extension::end;
    if (num_size_digits_ == 0 || !whole) return fail(400, "invalid chunk size line");
    state_ = State::size_lf;
    return;
  }
  if (state_ == State::size) {
    const int digit = hex_digit(c);
    if (digit >= 0) {
      if (++num_size_digits_ > 16) return fail(400, "chunk size too long");
      chunk_left_ = num_size_digits_ == 1 ? static_cast<std::uint64_t>(digit)
                                          : (chunk_left_ << 4) | static_cast<std::uint64_t>(digit);
      return;
    }
    if (c != ';' || num_size_digits_ == 0) return fail(400, "invalid chunk size");
    state_ = State::extension;
    extension_ = Extension::name_start;
    num_extension_bytes_ = 0;
    return;
  }
  if (++num_extension_bytes_ > limits_->max_chunk_extension_bytes) {
    return fail(400, "chunk extension too long");
  }
  if (!take_extension_byte(c)) fail(400, "invalid chunk extension");
}

// *( ";" token [ "=" ( token / quoted-string ) ] ), without the white space that RFC 9112 §7.1.1
// calls bad.
bool ChunkedDecoder::take_extension_byte(char c) {
  const bool token = is_token(std::string_view(&c, 1));
  switch (extension_) {
    case Extension::name_start:
      extension_ = Extension::name;
      return token;
    case Extension::name:
      if (c == '=') extension_ = Extension::value_start;
      if (c == ';') extension_ = Extension::name_start;
      return token || c == '=' || c == ';';
    case Extension::value_start:
      extension_ = c == '"' ? Extension::quoted : Extension::value;
      return token || c == '"';
    case Extension::value:
      if (c == ';') extension_ = Extension::name_start;
      return token || c == ';';
    case Extension::quoted:
      if (c == '"') extension_ = Extension::end;
      if (c == '\\') extension_ = Extension::escaped;
      return is_field_byte(c);
    case Extension::escaped:
      extension_ = Extension::quoted;
      return is_field_byte(c);
    case Extension::end:
      extension_ = Extension::name_start;
      return c == ';';
  }
  return false;
}

void ChunkedDecoder::end_size_line() {
  if (chunk_left_ == 0) {
    state_ = State::trailers;
    return;
  }
  if (++num_chunks_ > limits_->max_chunks) return fail(413, "too many chunks");
  if (chunk_left_ > max_body_ - num_body_bytes_) return fail(413, "body too large");
  state_ = State::data;
}

void ChunkedDecoder::take_trailer_byte(char c) {
  if (++num_trailer_bytes_ > limits_->max_trailer_bytes) return fail(431, "trailers too large");
  if (after_cr_) {
    after_cr_ = false;
    if (c != '\n') return fail(400, "bare CR in a trailer");
    return end_trailer_line();
  }
  if (c == '\r') {
    after_cr_ = true;
    return;
  }
  if (!is_field_byte(c)) return fail(400, "invalid byte in a trailer");
  trailer_line_.push_back(c);
}

void ChunkedDecoder::end_trailer_line() {
  if (trailer_line_.empty()) {
    state_ = State::done;
    return;
  }
  const auto field = split_field_line(trailer_line_);
  if (!field) return fail(400, "invalid trailer field");
  for (const std::string_view name : kForbiddenTrailers) {
    if (equal_ignoring_case(name, field->name)) return fail(400, "forbidden trailer field");
  }
  trailer_line_.clear();
}

}  // namespace millrace::net
