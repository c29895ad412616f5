#include "net/request_parser.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "net/field_syntax.h"
#include "net/request_target.h"

namespace millrace::net {
namespace {

constexpr std::size_t kMaxMethodBytes = 32;
constexpr std::size_t kTakenAtOnce = std::size_t{1} << 20;  // of a body
constexpr std::size_t kLeastRead = std::size_t{64} << 10;
constexpr std::size_t kRequestLineExtra = kMaxMethodBytes + 11;  // two spaces and "HTTP/1.1"

// Fields that frame, route or authorise: one each, and never spelt with '_' (which gateways that
// map names to variables would take for '-').
constexpr std::array<std::string_view, 12> kSingleFields = {
    "host",         "content-length",      "transfer-encoding", "authorization",
    "content-type", "content-encoding",    "x-api-key",         "expect",
    "x-request-id", "proxy-authorization", "x-forwarded-for",   "connection"};
constexpr std::size_t kNumOnceFields = 10;  // the last two may repeat

// Bytes that go on with a line: no CR, no LF, nothing that is refused.
constexpr std::array<bool, 256> plain_bytes(bool in_request_line) {
  std::array<bool, 256> set{};
  for (std::size_t byte = 0x20; byte < 256; ++byte) {
    set[byte] = byte != 0x7F && (byte < 0x80 || !in_request_line);
  }
  set['\t'] = !in_request_line;
  return set;
}
constexpr auto kPlainInRequestLine = plain_bytes(true);
constexpr auto kPlainInField = plain_bytes(false);

// Of one length.
bool equal_but_underscores(std::string_view a, std::string_view b) {
  const auto fold = [](char c) {
    if (c == '_') return '-';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(),
                    [&](char x, char y) { return x == y || fold(x) == fold(y); });
}

bool valid_host(std::string_view host) {
  if (host.empty()) return false;
  std::size_t i = 0;
  if (host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (const char c : host.substr(1, close - 1)) {
      if (std::string_view("0123456789abcdefABCDEF:.").find(c) == std::string_view::npos) {
        return false;
      }
    }
    i = close + 1;
  } else {
    for (; i < host.size() && host[i] != ':'; ++i) {
      const char c = host[i];
      const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!word && c != '-' && c != '.' && c != '_' && c != '~') return false;
    }
    if (i == 0) return false;
  }
  if (i == host.size()) return true;
  const std::string_view port = host.substr(i + 1);
  return host[i] == ':' && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void RequestParser::fail(int status, const char* message) {
  phase_ = Phase::failed;
  error_status_ = status;
  error_message_ = message;
}

void RequestParser::reset() {
  *this = RequestParser(*limits_);
}

std::size_t RequestParser::feed(std::string_view bytes) {
  std::size_t pos = 0;
  if (!bytes.empty()) seen_bytes_ = true;
  while (pos < bytes.size()) {
    if (phase_ == Phase::body) {
      pos += take_body(bytes.substr(pos));
      continue;
    }
    if (phase_ != Phase::request_line && phase_ != Phase::fields) break;
    std::string_view line;
    if (!take_line(bytes, pos, line)) break;
    if (phase_ == Phase::request_line) {
      take_request_line(line);
    } else if (line.empty()) {
      end_head();
    } else {
      take_field(line);
    }
    line_.clear();
  }
  return pos;
}

// True: `line` is a whole line without its CRLF, viewing `bytes` or line_. False: more is needed,
// or failed.
bool RequestParser::take_line(std::string_view bytes, std::size_t& pos, std::string_view& line) {
  const bool first = phase_ == Phase::request_line;
  const auto& plain = first ? kPlainInRequestLine : kPlainInField;
  const std::size_t line_limit =
      first ? limits_->max_target_bytes + kRequestLineExtra : limits_->max_header_line_bytes;
  const std::size_t block_left = limits_->max_header_bytes - num_head_bytes_;
  const std::size_t limit = std::min(line_limit, block_left);  // CRLF included
  const std::size_t begin = pos;
  const std::size_t too_far = begin + limit - std::min(limit, line_.size());
  const std::size_t end = std::min(bytes.size(), too_far);
  std::size_t i = begin;
  if (!after_cr_ && i < end) i += num_visible(bytes.substr(i, end - i));
  while (true) {
    if (!after_cr_) {
      while (i < end && plain[static_cast<std::uint8_t>(bytes[i])]) ++i;
    }
    if (i >= bytes.size()) break;
    if (i >= too_far) return line_too_long(bytes, begin, i), false;
    const char c = bytes[i++];
    if (after_cr_) {
      if (c != '\n') return fail(400, "bare CR in the request head"), false;
      after_cr_ = false;
      num_head_bytes_ += line_.size() + (i - begin);
      pos = i;
      line = bytes.substr(begin, i - begin - 1);
      if (!line_.empty()) line = line_.append(line);
      line.remove_suffix(1);
      return true;
    }
    if (c != '\r') {
      const bool bare_lf = c == '\n';
      fail(400, bare_lf ? "bare LF in the request head" : "invalid byte in the request head");
      return false;
    }
    after_cr_ = true;
  }
  line_.append(bytes.substr(begin));
  pos = bytes.size();
  return false;
}

void RequestParser::line_too_long(std::string_view bytes, std::size_t begin, std::size_t end) {
  if (phase_ == Phase::fields) return fail(431, "request header too large");
  const std::string text = line_ + std::string(bytes.substr(begin, end - begin));
  const std::size_t space = text.find(' ');
  if (space <= kMaxMethodBytes && is_token(std::string_view(text).substr(0, space))) {
    return fail(414, "request target too long");
  }
  fail(400, "invalid request line");
}

void RequestParser::take_request_line(std::string_view line) {
  if (line.empty()) {  // one stray CRLF before a request is forgiven (RFC 9112 §2.2)
    if (skipped_blank_line_) return fail(400, "blank lines before the request line");
    skipped_blank_line_ = true;
    return;
  }
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return fail(400, "invalid request line");
  const std::string_view method = line.substr(0, first);
  const std::string_view text = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (method.size() > kMaxMethodBytes || !is_token(method)) return fail(400, "invalid method");
  request_.method = method;
  if (text.size() > limits_->max_target_bytes) return fail(414, "request target too long");
  if (method == "CONNECT") return fail(405, "CONNECT is not served");
  auto target = parse_request_target(text);
  if (!target || (text == "*" && method != "OPTIONS")) return fail(400, "invalid request target");
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
  encoded_path_ = std::move(target->encoded_path);
  const auto is_digit = [&](std::size_t i) { return version[i] >= '0' && version[i] <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(5) || version[6] != '.' ||
      !is_digit(7)) {
    return fail(400, "invalid HTTP version");
  }
  http_1_0_ = version == "HTTP/1.0";
  if (!http_1_0_ && version != "HTTP/1.1") return fail(505, "HTTP version not supported");
  request_.headers.reserve(8);  // most requests have fewer
  phase_ = Phase::fields;
}

void RequestParser::take_field(std::string_view line) {
  const auto field = split_field_line(line);
  if (!field) return fail(400, "invalid header field");
  if (request_.headers.size() >= limits_->max_headers) return fail(431, "too many header fields");
  bool is_new = false;
  for (std::size_t i = 0; i < kSingleFields.size(); ++i) {
    if (field->name.size() != kSingleFields[i].size() ||
        !equal_but_underscores(field->name, kSingleFields[i])) {
      continue;
    }
    if (field->name.find('_') != std::string_view::npos)
      return fail(400, "header field name with '_' for '-'");
    is_new = i < kNumOnceFields;
    if (is_new && request_.headers.contains(field->name)) {
      return fail(400, "repeated header field");
    }
    if (!take_known_field(kSingleFields[i], field->raw_value, field->value)) return;
    break;
  }
  if (is_new) return request_.headers.add(std::string(field->name), std::string(field->value));
  request_.headers.join(field->name, field->value);
}

// False: failed.
bool RequestParser::take_known_field(std::string_view name, std::string_view raw,
                                     std::string_view value) {
  if (name == "content-length") {
    take_content_length(raw);
  } else if (name == "transfer-encoding") {
    if (raw.starts_with(' ')) raw.remove_prefix(1);
    if (!equal_ignoring_case(raw, "chunked")) fail(400, "transfer coding not supported");
    chunked_ = true;
  } else if (name == "host") {
    if (!valid_host(value)) fail(400, "invalid Host");
  } else if (name == "connection") {
    take_connection(value);
  } else if (name == "expect") {
    expects_continue_ = equal_ignoring_case(value, "100-continue");
    bad_expectation_ = !expects_continue_;
  } else if (name == "content-encoding") {
    encoded_content_ = !equal_ignoring_case(value, "identity");
  }
  return phase_ != Phase::failed;
}

// One spelling of each number: digits, no sign, no leading zero, no white space but one SP before.
void RequestParser::take_content_length(std::string_view raw) {
  if (raw.starts_with(' ')) raw.remove_prefix(1);
  const bool digits =
      std::all_of(raw.begin(), raw.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (raw.empty() || raw.size() > 18 || !digits || (raw.size() > 1 && raw.front() == '0')) {
    return fail(400, "invalid Content-Length");
  }
  for (const char c : raw) {
    content_length_ = content_length_ * 10 + static_cast<std::uint64_t>(c - '0');
  }
  has_length_ = true;
}

void RequestParser::take_connection(std::string_view value) {
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    std::string_view option = value.substr(0, comma);
    value.remove_prefix(std::min(comma + 1, value.size()));
    while (option.starts_with(' ') || option.starts_with('\t')) option.remove_prefix(1);
    while (option.ends_with(' ') || option.ends_with('\t')) option.remove_suffix(1);
    if (equal_ignoring_case(option, "close")) close_ = true;
    if (equal_ignoring_case(option, "keep-alive")) asked_keep_alive_ = true;
  }
}

void RequestParser::end_head() {
  if (!http_1_0_ && !request_.headers.contains("host")) return fail(400, "no Host");
  if (chunked_ && has_length_) return fail(400, "both Content-Length and Transfer-Encoding");
  if (chunked_ && http_1_0_) return fail(400, "Transfer-Encoding in HTTP/1.0");
  if (bad_expectation_) return fail(417, "unknown expectation");
  if (encoded_content_) return fail(415, "Content-Encoding is not accepted");
  if (http_1_0_) expects_continue_ = false;
  keep_alive_ = !close_ && (!http_1_0_ || asked_keep_alive_);
  phase_ = Phase::head_done;
}

void RequestParser::begin_body(std::size_t max_body_bytes) {
  MILLRACE_CHECK(phase_ == Phase::head_done);
  if (content_length_ > max_body_bytes) return fail(413, "body too large");
  if (chunked_) chunks_.emplace(*limits_, max_body_bytes);
  phase_ = has_body() ? Phase::body : Phase::done;
}

std::size_t RequestParser::take_body(std::string_view bytes) {
  if (chunks_) {
    const std::size_t taken = chunks_->feed(bytes, request_.body);
    if (chunks_->error_status() != 0) {
      fail(chunks_->error_status(), chunks_->error_message());
    } else if (chunks_->done()) {
      phase_ = Phase::done;
    }
    return taken;
  }
  const std::size_t left = static_cast<std::size_t>(content_length_) - request_.body.size();
  const std::size_t taken = std::min(left, bytes.size());
  make_room(taken);
  request_.body.append(bytes.substr(0, taken));
  if (taken == left) phase_ = Phase::done;
  return taken;
}

// For `count` more bytes. All at once where the body is no larger than most: a client that declares
// much and sends little must not hold memory for it.
void RequestParser::make_room(std::size_t count) {
  std::string& body = request_.body;
  const std::size_t wanted = body.size() + count;
  if (body.capacity() >= wanted) return;
  const std::size_t known = static_cast<std::size_t>(content_length_);
  body.reserve(std::max(wanted, std::min(known, std::max(kTakenAtOnce, 2 * body.size()))));
}

ssize_t RequestParser::read_body(ByteStream& stream) {
  MILLRACE_CHECK(takes_body());
  std::string& body = request_.body;
  const std::size_t had = body.size();
  const std::size_t left = static_cast<std::size_t>(content_length_) - had;
  make_room(std::min(left, kLeastRead));
  const std::size_t room = std::min({left, body.capacity() - had, kTakenAtOnce});
  ssize_t got = 0;
  body.resize_and_overwrite(had + room, [&](char* data, std::size_t) {
    got = stream.read(data + had, room);
    return had + static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  });
  if (got > 0 && static_cast<std::size_t>(got) == left) phase_ = Phase::done;
  return got;
}

}  // namespace millrace::net
