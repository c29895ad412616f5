// For tests: a socket that sends exactly the bytes it is told to, and a server to send them to.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "net/http_server.h"
#include "net/response_parser.h"
#include "net/socket.h"

namespace millrace::net {

using namespace std::chrono_literals;

class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) {
    auto socket = connect_tcp("127.0.0.1", port, Clock::now() + 5s);
    EXPECT_TRUE(socket) << (socket ? "" : socket.error().message);
    if (socket) fd_ = std::move(*socket);
  }

  int fd() const { return fd_.get(); }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void reset() {
    set_reset_on_close(fd_.get());
    fd_.reset();
  }

  // False: the server would not take it all.
  bool send(std::string_view bytes, std::chrono::milliseconds timeout = 5s) {
    const TimePoint deadline = Clock::now() + timeout;
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno != EAGAIN || !wait_for_socket(fd_.get(), POLLOUT, deadline)) {
        return false;
      }
    }
    return true;
  }

  // Byte by byte, or in small steps where that would take too long.
  void dribble(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t step = bytes.size() > 2000 ? 509 : 1;
      if (!send(bytes.substr(0, step))) return;
      bytes.remove_prefix(step);
    }
  }

  // Reads what comes within the time-out. Empty: nothing did; "" with ended(): the end.
  std::optional<std::string> read_some(std::chrono::milliseconds timeout) {
    if (!wait_for_socket(fd_.get(), POLLIN, Clock::now() + timeout)) return std::nullopt;
    std::string buffer(65536, '\0');
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    was_reset_ = n < 0 && errno == ECONNRESET;
    ended_ = n <= 0;
    buffer.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return buffer;
  }
  bool ended() const { return ended_; }
  bool was_reset() const { return was_reset_; }

  // The next response, parsed; bytes after it are kept. Status 0: none came, or a broken one.
  struct Answer {
    int status = 0;
    Headers headers;
    std::string body;
  };
  Answer read_response(std::chrono::milliseconds timeout = 5s, bool to_head = false) {
    ResponseParser parser(to_head, std::size_t{1} << 30);
    const TimePoint deadline = Clock::now() + timeout;
    while (true) {
      const std::string bytes = std::exchange(left_over_, {});
      const std::size_t taken = parser.feed(bytes);
      left_over_ = bytes.substr(taken);
      if (parser.phase() == ResponseParser::Phase::done) break;
      if (parser.phase() == ResponseParser::Phase::failed) return {};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      const auto some = read_some(left);
      if (!some) return {};
      if (ended_) {
        parser.end_of_input();
        if (parser.phase() == ResponseParser::Phase::failed) return {};
        break;
      }
      left_over_ = *some;
    }
    return {parser.status(), parser.headers(), parser.body()};
  }

  // Everything until the server closes; ended() says whether it did in time.
  std::string read_to_end(std::chrono::milliseconds timeout = 5s) {
    std::string all = std::exchange(left_over_, {});
    const TimePoint deadline = Clock::now() + timeout;
    while (!ended_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      const auto some = read_some(left);
      if (!some) break;
      all += *some;
    }
    return all;
  }

 private:
  UniqueFd fd_;
  std::string left_over_;
  bool ended_ = false;
  bool was_reset_ = false;
};

// A server with what every test needs; more routes may be added before start().
class TestServer {
 public:
  explicit TestServer(HttpLimits limits = {}, std::size_t num_workers = 2)
      : workers_("worker", num_workers) {
    options_.limits = limits;
    router_.add({"GET", "/ok", [](HttpRequest, std::shared_ptr<Responder> respond) {
                   respond->send({.status = 200, .body = "{}"});
                 }});
    router_.add({"POST", "/echo", [](HttpRequest request, std::shared_ptr<Responder> respond) {
                   respond->send({.status = 200, .body = std::move(request.body)});
                 }});
  }
  ~TestServer() { stop(); }

  HttpServerOptions& options() { return options_; }
  void route(std::string method, std::string pattern, Handler handler,
             std::size_t max_body_bytes = std::size_t{8} << 20) {
    router_.add({std::move(method), std::move(pattern), std::move(handler), max_body_bytes});
  }
  // Its handler runs on the io thread.
  void instant_route(std::string method, std::string pattern, Handler handler) {
    router_.add({.method = std::move(method),
                 .pattern = std::move(pattern),
                 .handler = std::move(handler),
                 .on_io_thread = true});
  }
  void start() {
    server_ = std::make_unique<HttpServer>(options_, router_, workers_, metrics_);
    const Status status = server_->start();
    ASSERT_TRUE(status) << status.error().message;
  }
  void stop(std::chrono::milliseconds grace = 0ms) {
    if (server_) server_->stop(grace);
  }
  HttpServer& server() { return *server_; }
  std::uint16_t port() const { return server_->port(); }
  Metrics& metrics() { return metrics_; }
  WorkerPool& workers() { return workers_; }

 private:
  HttpServerOptions options_;
  Router router_;
  Metrics metrics_;
  WorkerPool workers_;
  std::unique_ptr<HttpServer> server_;
};

// Waits for what another thread will make true.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds timeout = 5s) {
  const TimePoint deadline = Clock::now() + timeout;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

}  // namespace millrace::net
