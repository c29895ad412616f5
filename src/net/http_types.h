// HTTP as the layers above see it: whole requests in, whole or streamed responses out.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace millrace::net {

bool equal_folded(std::string_view a, std::string_view b);                 // of one length
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {  // ASCII
  return a.size() == b.size() && equal_folded(a, b);
}

// Header fields in order of arrival; names compare without case. Small, so lookups are linear.
// The parser joins repeated fields with ", ".
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;
  using const_iterator = std::vector<Field>::const_iterator;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  const_iterator begin() const { return fields_.begin(); }
  const_iterator end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  void reserve(std::size_t count) { fields_.reserve(count); }
  const_iterator find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != end(); }
  std::string& operator[](std::string_view name);            // adds an empty one where absent
  void add(std::string name, std::string value);             // without looking for the name
  void join(std::string_view name, std::string_view value);  // adds, or appends ", value"

 private:
  std::vector<Field> fields_;
};

// What the {name} parts of a route's pattern are bound to; at most a few.
class PathParams {
 public:
  using Param = std::pair<std::string, std::string>;
  using const_iterator = std::vector<Param>::const_iterator;

  const_iterator begin() const { return params_.begin(); }
  const_iterator end() const { return params_.end(); }
  bool empty() const { return params_.empty(); }
  const_iterator find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != end(); }
  std::string_view operator[](std::string_view name) const;  // empty where there is none
  void add(std::string name, std::string value) {
    params_.emplace_back(std::move(name), std::move(value));
  }
  void clear() { params_.clear(); }

 private:
  std::vector<Param> params_;
};

struct HttpRequest {
  std::string method;  // upper case
  // Percent-decoded once, no query, valid UTF-8. The parser refuses control characters, '\', empty,
  // "." and ".." segments, so it is safe to compare, and may hold a '/' that came as %2F.
  std::string path;
  std::string query;  // raw
  Headers headers;
  std::string body;
  PathParams path_params;  // percent-decoded
  std::string request_id;  // x-request-id of the client, or made here; echoed in the response
  TimePoint arrival;       // first byte of the request

  // Empty when absent.
  std::string_view header(std::string_view name) const;
};

// Names are of texts that stay.
using HeaderFields = std::vector<std::pair<std::string_view, std::string>>;

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json";  // of a text that stays
  std::string body{};
  HeaderFields headers{};  // further ones
};

// The answer to one request. Every call is thread-safe and never blocks; calls after the peer is
// gone are harmless. Exactly one of send() or start()…finish() is made; dropping the last reference
// without either answers 500 (or cuts the stream off, so that the client sees it is incomplete).
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void send(HttpResponse response) = 0;

  // A streamed body (chunked). write() queues; when more than the stream buffer limit waits because
  // the peer reads slowly, it returns false and the stream is aborted. An empty chunk is nothing.
  virtual void start(int status, std::string_view content_type, HeaderFields headers) = 0;
  void start(int status, std::string_view content_type) { start(status, content_type, {}); }
  virtual bool write(std::string chunk) = 0;
  virtual void finish() = 0;

  // Called once, on an io thread, when the peer goes away (reset, close, half-close) before the
  // response is complete; at once if it already has. Must only post work or close a channel.
  virtual void on_disconnect(std::function<void()> callback) = 0;
  virtual bool disconnected() const = 0;
};

// Handlers run on the worker pool.
using Handler = std::function<void(HttpRequest request, std::shared_ptr<Responder> respond)>;

}  // namespace millrace::net
