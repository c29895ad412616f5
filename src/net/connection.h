// Connection: one client, one request at a time. Reading, parsing and closing happen on its io
// thread; answers come from any thread and go straight to the socket. One mutex a connection.
//
//   reading ── whole request ──▶ answering ── answer sent ──▶ reading
//      │ close, time-out              │ last answer sent
//      ▼                              ▼
//    closed ◀── peer done, 2 s ── lingering (output ended, input thrown away)
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/worker_pool.h"
#include "net/event_loop.h"
#include "net/http_metrics.h"
#include "net/http_server.h"
#include "net/output_queue.h"
#include "net/request_parser.h"
#include "net/response_head.h"
#include "net/router.h"

namespace millrace::net {

class Connection;

// What the connections of a server share.
struct ServerCore {
  ServerCore(HttpServerOptions opts, const Router& routes, WorkerPool& pool, Metrics& registry)
      : options(std::move(opts)),
        router(routes),
        workers(pool),
        metrics(registry, routes, options.name) {}
  HttpServerOptions options;
  const Router& router;
  WorkerPool& workers;
  HttpMetrics metrics;
  std::atomic<bool> draining{false};
  std::atomic<std::size_t> num_connections{0};
};

struct IoThread {
  void send_unsent();

  EventLoop loop;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;  // loop thread
  std::vector<std::function<void()>> ready;  // handlers to post when the round ends; loop thread
  std::vector<Connection*> unsent;  // have an answer to send when the round ends; loop thread
  std::thread thread;
};

class Connection final : public EventLoop::Watcher,
                         public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, IoThread& io, std::unique_ptr<ByteStream> stream,
             std::shared_ptr<void> ticket);
  ~Connection() override;

  // Loop thread only.
  void open(bool over_limit);  // over_limit: answers 503 and closes
  void on_events(std::uint32_t events) override;
  void on_tick(TimePoint now);
  bool expired(TimePoint now) const { return now >= deadline_.load(std::memory_order_relaxed); }
  void drain();  // closes if nothing is in progress
  void close();
  void send_unsent();

  // The Responder calls of request `serial`; any thread. Stale serials are ignored.
  bool send(std::uint64_t serial, HttpResponse response);  // false: it is not wanted
  void start(std::uint64_t serial, int status, std::string_view content_type, HeaderFields headers);
  bool write(std::uint64_t serial, std::string_view chunk);
  void finish(std::uint64_t serial);
  void abandon(std::uint64_t serial);
  void on_disconnect(std::uint64_t serial, std::function<void()> callback);
  bool disconnected(std::uint64_t serial) const;
  // False: closed meanwhile, so the handler need not run.
  bool still_open() const;

 private:
  enum class Phase : std::uint8_t { reading, answering, lingering, closed };
  enum class Waiting : std::uint8_t { nothing, idle, head, body, write, linger };
  class Exchange;

  struct Current {  // the request being answered
    std::uint64_t serial = 0;
    const Route* route = nullptr;
    TimePoint arrival{};
    std::string method, request_id;
    std::function<void()> on_disconnect;
    int status = 0;
    bool head_only = false, http_1_0 = false, close = false;
    bool started = false, done = false;
    BodyFraming framing = BodyFraming::length;
  };

  // All below with mutex_ held.
  void run_released(std::unique_lock<std::mutex>& lock);
  void read_input(std::uint32_t events);
  void read_body();
  void drive();
  void feed(std::string_view bytes);
  bool accept_head(std::string_view rest);
  void begin_exchange();
  void refuse(int status, std::string_view message, bool close, std::string_view allow = {});
  void answer(HttpResponse&& response);
  void mark_done(int status);
  void after_output();
  void flush();
  void flush_answer();
  void begin_linger();
  void peer_left();
  void break_off(bool reset);
  void close_locked();
  void wait_for(Waiting what, TimePoint now = Clock::now());
  void check_body_rate();
  void update_interest();
  bool active(std::uint64_t serial) const {
    return phase_ == Phase::answering && current_.serial == serial && !current_.done;
  }
  bool must_close() const;

  const std::shared_ptr<ServerCore> core_;
  std::shared_ptr<void> ticket_;  // the peer's place in PeerCounts
  IoThread& io_;
  mutable std::mutex mutex_;
  std::unique_ptr<ByteStream> stream_;
  RequestParser parser_;
  OutputQueue out_;
  std::string pending_;  // input after the request being answered
  Current current_;
  std::shared_ptr<Exchange> ready_;      // to be run once the lock is released
  std::function<void()> gone_callback_;  // likewise
  std::atomic<TimePoint> deadline_{kNever};
  std::size_t window_bytes_ = 0;  // body bytes at the start of the rate window
  std::uint32_t interest_ = 0;
  Phase phase_ = Phase::reading;
  Waiting waiting_ = Waiting::nothing;
  bool peer_closed_ = false;
  bool broken_ = false;
  bool kick_ = false;    // wants a round on the io thread
  bool unsent_ = false;  // is one of io_.unsent
};

}  // namespace millrace::net
