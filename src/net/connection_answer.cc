// Connection: how answers are made, by the server itself and through the Responder.
#include <charconv>
#include <utility>

#include "base/random_id.h"
#include "net/connection.h"

namespace millrace::net {
namespace {

std::string plain_error_body(int status, std::string_view message) {
  std::string body = "{\"error\":{\"message\":\"";  // our own messages, so nothing to escape
  body.append(message).append("\",\"code\":").append(std::to_string(status)).append("}}");
  return body;
}

}  // namespace

// An answer of the server itself; no handler has run.
void Connection::refuse(int status, std::string_view message, bool close, std::string_view allow) {
  HttpRequest& request = parser_.request();
  const std::string_view given = request.header("x-request-id");
  const auto& error_body = core_->options.error_body;
  HttpResponse response;
  response.status = status;
  response.body =
      error_body ? error_body(status, request.path, message) : plain_error_body(status, message);
  if (!allow.empty()) response.headers.emplace_back("Allow", allow);
  if (status == 405 && allow.empty()) response.headers.emplace_back("Allow", "GET, HEAD, POST");
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  current_ = Current{.serial = current_.serial + 1,
                     .route = current_.route,
                     .arrival = parser_.untouched() ? Clock::now() : request.arrival,
                     .method = request.method,
                     .request_id = is_request_id(given) ? std::string(given) : random_id(),
                     .on_disconnect = {},
                     .head_only = request.method == "HEAD",
                     .http_1_0 = parser_.is_http_1_0(),
                     .close = close};
  phase_ = Phase::answering;
  parser_.reset();
  answer(std::move(response));
}

bool Connection::must_close() const {
  return current_.close || peer_closed_ || core_->draining.load(std::memory_order_relaxed);
}

void Connection::answer(HttpResponse&& response) {
  const bool no_body = response.status == 204 || response.status == 304;
  const bool has_body = !current_.head_only && !no_body;
  const bool merged = has_body && response.body.size() <= OutputQueue::kMergeBytes;
  const bool close = must_close();
  std::string head =
      format_response_head({.status = response.status,
                            .content_type = response.content_type,
                            .headers = &response.headers,
                            .request_id = current_.request_id,
                            .framing = no_body ? BodyFraming::none : BodyFraming::length,
                            .content_length = response.body.size(),
                            .room = merged ? response.body.size() : 0,
                            .close = close,
                            .keep_alive = current_.http_1_0});
  current_.close = close;
  out_.push(std::move(head));
  if (has_body) out_.push(std::move(response.body));
  mark_done(response.status);
  flush_answer();
}

void Connection::mark_done(int status) {
  current_.done = true;
  core_->metrics.observe(current_.route, current_.method, status,
                         seconds_between(current_.arrival, Clock::now()));
}

// After an answer from another thread: the next request may be read, or the io thread is needed.
void Connection::after_output() {
  if (unsent_) return;  // the io thread goes on when the round ends
  if (current_.done && out_.empty() && !broken_) {
    if (pending_.empty() && !must_close()) {
      phase_ = Phase::reading;
      wait_for(Waiting::idle);
    } else {
      kick_ = true;
    }
  }
  update_interest();
}

bool Connection::send(std::uint64_t serial, HttpResponse response) {
  std::function<void()> dropped;  // may hold the last reference to the Responder: freed unlocked
  std::lock_guard lock(mutex_);
  if (!active(serial) || current_.started) return false;
  dropped = std::exchange(current_.on_disconnect, nullptr);
  answer(std::move(response));
  after_output();
  return true;
}

void Connection::start(std::uint64_t serial, int status, std::string_view content_type,
                       HeaderFields headers) {
  std::lock_guard lock(mutex_);
  if (!active(serial) || current_.started) return;
  current_.started = true;
  current_.status = status;
  current_.framing = current_.http_1_0 ? BodyFraming::until_close : BodyFraming::chunked;
  current_.close = must_close() || current_.http_1_0;
  if (content_type.starts_with("text/event-stream")) {
    headers.emplace_back("Cache-Control", "no-cache");
    headers.emplace_back("X-Accel-Buffering", "no");
  }
  out_.push(format_response_head({.status = status,
                                  .content_type = content_type,
                                  .headers = &headers,
                                  .request_id = current_.request_id,
                                  .framing = current_.framing,
                                  .close = current_.close}));
  flush();
  after_output();
}

bool Connection::write(std::uint64_t serial, std::string_view chunk) {
  std::lock_guard lock(mutex_);
  if (!active(serial) || !current_.started || broken_) return false;
  if (chunk.empty() || current_.head_only) return true;
  if (current_.framing == BodyFraming::chunked) {
    char size[20];
    char* end = std::to_chars(size, size + sizeof size - 2, chunk.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    std::string framed;
    framed.reserve(chunk.size() + 24);
    framed.append(size, end).append(chunk).append("\r\n");
    out_.push(std::move(framed));
  } else {
    out_.push(std::string(chunk));
  }
  flush();
  if (out_.num_bytes() > core_->options.limits.stream_buffer_bytes) break_off(true);
  after_output();
  return !broken_;
}

void Connection::finish(std::uint64_t serial) {
  std::function<void()> dropped;
  std::lock_guard lock(mutex_);
  if (!active(serial) || !current_.started) return;
  dropped = std::exchange(current_.on_disconnect, nullptr);
  if (current_.framing == BodyFraming::chunked && !current_.head_only) out_.push("0\r\n\r\n");
  mark_done(current_.status);
  flush();
  after_output();
}

void Connection::abandon(std::uint64_t serial) {
  std::lock_guard lock(mutex_);
  if (!active(serial)) return;
  if (current_.started) return break_off(true);
  HttpResponse response;
  response.status = 500;
  const auto& error_body = core_->options.error_body;
  constexpr std::string_view kMessage = "internal error";
  const std::string_view path = current_.route->pattern;
  response.body = error_body ? error_body(500, path, kMessage) : plain_error_body(500, kMessage);
  answer(std::move(response));
  after_output();
}

void Connection::on_disconnect(std::uint64_t serial, std::function<void()> callback) {
  {
    std::lock_guard lock(mutex_);
    if (current_.serial != serial || current_.done) return;
    if (phase_ == Phase::answering && !peer_closed_) {
      current_.on_disconnect.swap(callback);
      return;
    }
  }
  callback();
}

bool Connection::disconnected(std::uint64_t serial) const {
  std::lock_guard lock(mutex_);
  return current_.serial == serial && !current_.done &&
         (phase_ == Phase::closed || peer_closed_ || broken_);
}

}  // namespace millrace::net
