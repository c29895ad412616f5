#include "net/response_parser.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "net/field_syntax.h"

namespace millrace::net {
namespace {

constexpr std::size_t kMaxHeadBytes = std::size_t{64} << 10;

HttpLimits client_limits() {
  HttpLimits limits;
  limits.max_chunks = std::numeric_limits<std::size_t>::max();  // a stream may be long
  return limits;
}

}  // namespace

ResponseParser::ResponseParser(bool to_head_request, std::size_t max_body_bytes)
    : limits_(client_limits()),
      to_head_request_(to_head_request),
      max_body_bytes_(max_body_bytes) {}

void ResponseParser::fail(const char* error) {
  phase_ = Phase::failed;
  error_ = error;
}

std::size_t ResponseParser::feed(std::string_view bytes) {
  std::size_t pos = 0;
  while (pos < bytes.size() && (phase_ == Phase::head || phase_ == Phase::body)) {
    const std::string_view rest = bytes.substr(pos);
    if (phase_ == Phase::head) {
      const std::size_t end = rest.find('\n');
      const std::size_t taken = end == std::string_view::npos ? rest.size() : end + 1;
      num_head_bytes_ += taken;
      if (num_head_bytes_ > kMaxHeadBytes) {
        fail("response header too large");
        break;
      }
      line_.append(rest.substr(0, taken));
      pos += taken;
      if (end == std::string_view::npos) break;
      if (!line_.ends_with("\r\n")) {
        fail("bare LF in the response head");
        break;
      }
      line_.resize(line_.size() - 2);
      take_line(line_);
      line_.clear();
    } else if (chunks_) {
      pos += chunks_->feed(rest, body_);
      if (chunks_->error_status() != 0) fail(chunks_->error_message());
      if (chunks_->done()) phase_ = Phase::done;
    } else {
      const std::uint64_t left =
          content_length_ ? *content_length_ - num_body_bytes_ : max_body_bytes_ - num_body_bytes_;
      const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left, rest.size()));
      body_.append(rest.substr(0, taken));
      num_body_bytes_ += taken;
      pos += taken;
      if (content_length_ && num_body_bytes_ == *content_length_) phase_ = Phase::done;
      if (!content_length_ && taken < rest.size()) fail("response body too large");
    }
  }
  return pos;
}

void ResponseParser::end_of_input() {
  if (phase_ == Phase::body && !chunks_ && !content_length_) {
    phase_ = Phase::done;
  } else if (phase_ != Phase::done) {
    fail("the connection ended within the response");
  }
}

void ResponseParser::take_line(std::string_view line) {
  if (status_ == 0) return take_status_line(line);
  if (line.empty()) return end_head();
  const auto field = split_field_line(line);
  if (!field || !is_field_value(field->value)) return fail("invalid response header field");
  headers_.join(field->name, field->value);
}

void ResponseParser::take_status_line(std::string_view line) {
  const bool shape = line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ' &&
                     (line.size() == 12 || line[12] == ' ');
  if (!shape) return fail("not an HTTP/1 response");
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, status_);
  if (error != std::errc() || end != line.data() + 12 || status_ < 100) {
    return fail("invalid status line");
  }
  http_1_0_ = line[7] == '0';
}

void ResponseParser::end_head() {
  if (status_ < 200) {
    status_ = 0;
    headers_ = {};
    return;
  }
  const auto field = [&](std::string_view name) {
    const auto found = headers_.find(name);
    return found == headers_.end() ? std::string_view() : std::string_view(found->second);
  };
  const std::string_view connection = field("connection");
  keep_alive_ = http_1_0_ ? equal_ignoring_case(connection, "keep-alive")
                          : !equal_ignoring_case(connection, "close");
  if (to_head_request_ || status_ == 204 || status_ == 304) {
    phase_ = Phase::done;
    return;
  }
  phase_ = Phase::body;
  if (const std::string_view coding = field("transfer-encoding"); !coding.empty()) {
    if (!equal_ignoring_case(coding, "chunked")) return fail("unknown transfer coding");
    chunks_.emplace(limits_, max_body_bytes_);
    return;
  }
  if (const std::string_view text = field("content-length"); !text.empty()) {
    std::uint64_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fail("invalid Content-Length");
    }
    if (length > max_body_bytes_) return fail("response body too large");
    content_length_ = length;
    if (length == 0) phase_ = Phase::done;
    return;
  }
  keep_alive_ = false;  // the end of the connection ends the body
}

}  // namespace millrace::net
