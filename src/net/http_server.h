// HttpServer: HTTP/1.1 over TCP, strict in what it accepts (RFC 9112; anything that could smuggle
// is 400 and close), bounded in every size and time. Io threads move bytes; handlers run on the
// worker pool.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "base/worker_pool.h"
#include "net/http_limits.h"
#include "net/router.h"

namespace millrace::net {

struct HttpServerOptions {
  std::string name = "http";  // label in logs and metrics
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free port, see port()
  std::size_t num_io_threads = 1;
  HttpLimits limits;
  // Body of errors that never reach a handler (parser, 404, 405, 413 …) in the listener's own
  // dialect. Gets the path so that one listener can speak several dialects.
  std::function<std::string(int status, std::string_view path, std::string_view message)>
      error_body;
};

class HttpServer {
 public:
  // Borrows router, workers and metrics; they outlive the server.
  HttpServer(HttpServerOptions options, const Router& router, WorkerPool& workers,
             Metrics& metrics);
  ~HttpServer();  // stop(0)

  Status start();  // binds and listens; the error names host and port
  std::uint16_t port() const;
  // Stops accepting, answers what is running for at most `grace`, then closes everything.
  void stop(std::chrono::milliseconds grace);
  std::size_t num_connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::net
