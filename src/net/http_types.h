// HTTP as the layers above see it: whole requests in, whole or streamed responses out.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace millrace::net {

struct CaseInsensitiveLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const;
};
using Headers = std::map<std::string, std::string, CaseInsensitiveLess>;

struct HttpRequest {
  std::string method;  // upper case
  std::string
      path;  // percent-decoded once, no query; refused at the parser if it holds NUL or ".."
  std::string query;  // raw
  Headers headers;
  std::string body;
  std::map<std::string, std::string, std::less<>> path_params;  // from the route's {name} parts
  std::string request_id;  // x-request-id of the client, or made here; echoed in the response
  TimePoint arrival;       // first byte of the request

  // Empty when absent.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};  // further ones
};

// The answer to one request. Every call is thread-safe and never blocks; calls after the peer is
// gone are harmless. Exactly one of send() or start()…finish() is made; dropping the last reference
// without either answers 500.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void send(HttpResponse response) = 0;

  // A streamed body (chunked). write() queues; when more than the stream buffer limit waits because
  // the peer reads slowly, it returns false and the stream is aborted.
  virtual void start(int status, std::string_view content_type) = 0;
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
