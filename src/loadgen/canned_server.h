// For tests: a server that answers each request with a script of bytes and pauses.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/socket.h"

namespace millrace::loadgen {

using namespace std::chrono_literals;

// What happens to one request, in order.
struct Act {
  enum Kind { send, wait, close, reset } kind = send;
  std::string bytes{};
  std::chrono::milliseconds pause{0};
};

inline Act say(std::string bytes) {
  return {.kind = Act::send, .bytes = std::move(bytes)};
}
inline Act pause_for(std::chrono::milliseconds time) {
  return {.kind = Act::wait, .pause = time};
}

inline std::string event(const std::string& json) {
  return "data: " + json + "\n\n";
}
inline std::string text_event() {
  return event(R"({"choices":[{"index":0,"text":" x"}]})");
}
inline std::string chunk(const std::string& bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}
inline const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
inline std::string usage_event(int prompt, int output) {
  return event("{\"choices\":[],\"usage\":{\"prompt_tokens\":" + std::to_string(prompt) +
               ",\"completion_tokens\":" + std::to_string(output) + "}}");
}
inline std::string whole_stream(int tokens) {
  std::string out = kStreamHead;
  for (int i = 0; i < tokens; ++i) out += chunk(text_event());
  return out + chunk(usage_event(4, tokens) + event("[DONE]")) + "0\r\n\r\n";
}
inline std::string plain_answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// A thread a connection; `script(n)` says what becomes of the n-th request of the server, from 0.
class CannedServer {
 public:
  using Script = std::function<std::vector<Act>(int number)>;
  explicit CannedServer(Script script) : script_(std::move(script)) {
    auto listener = net::listen_tcp("127.0.0.1", 0);
    EXPECT_TRUE(listener);
    port_ = listener->port;
    listener_ = std::move(listener->fd);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~CannedServer() {
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
      std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& peer : peers_) peer.join();
  }
  std::uint16_t port() const { return port_; }
  int num_requests() const { return num_requests_; }
  int num_connections() const {
    std::lock_guard lock(mutex_);
    return static_cast<int>(peers_.size());
  }

 private:
  void accept_all() {
    while (!stopping_) {
      if (!net::wait_for_socket(listener_.get(), POLLIN, Clock::now() + 100ms)) continue;
      const int fd = ::accept(listener_.get(), nullptr, nullptr);
      if (fd < 0) continue;
      std::lock_guard lock(mutex_);
      open_.push_back(fd);
      peers_.emplace_back([this, fd] { serve(net::UniqueFd(fd)); });
    }
  }

  // Takes a request: the head and as much body as Content-Length says.
  static bool take_request(int fd, std::string& input) {
    while (true) {
      const std::size_t head = input.find("\r\n\r\n");
      if (head != std::string::npos) {
        const std::size_t field = input.find("Content-Length: ");
        const std::size_t body =
            field < head ? static_cast<std::size_t>(std::atoi(input.c_str() + field + 16)) : 0;
        if (input.size() >= head + 4 + body) {
          input.erase(0, head + 4 + body);
          return true;
        }
      }
      char buffer[16384];
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      input.append(buffer, static_cast<std::size_t>(got));
    }
  }

  void serve(net::UniqueFd fd) {
    std::string input;
    bool open = true;
    while (open && take_request(fd.get(), input)) {
      for (const Act& act : script_(num_requests_++)) {
        if (act.kind == Act::send) {
          std::size_t at = 0;
          while (at < act.bytes.size()) {
            const ssize_t n =
                ::send(fd.get(), act.bytes.data() + at, act.bytes.size() - at, MSG_NOSIGNAL);
            if (n <= 0) break;
            at += static_cast<std::size_t>(n);
          }
        } else if (act.kind == Act::wait) {
          for (auto left = act.pause; left > 0ms && !stopping_; left -= 10ms)
            std::this_thread::sleep_for(std::min<std::chrono::milliseconds>(left, 10ms));
        } else {
          if (act.kind == Act::reset) net::set_reset_on_close(fd.get());
          open = false;
        }
      }
    }
    std::lock_guard lock(mutex_);
    std::erase(open_, fd.get());
  }

  Script script_;
  net::UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> num_requests_{0};
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> peers_;
};

}  // namespace millrace::loadgen
