// RpcConnection: one client of the gRPC port and its calls. The socket, the session and the streams
// belong to one mutex; only the io thread reads and closes, and only it calls handlers, with the
// lock released: what is to be told waits in `events_` until then.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/event_loop.h"
#include "net/h2_session.h"
#include "net/rpc.h"
#include "net/rpc_server.h"

namespace millrace::net {

class RpcConnection;
class RpcStream;

// What the connections of a server share.
struct RpcCore {
  RpcCore(RpcServerOptions opts, RpcService& methods)
      : options(std::move(opts)), service(methods) {}
  const RpcServerOptions options;
  RpcService& service;
  EventLoop loop;
  std::unordered_map<RpcConnection*, std::shared_ptr<RpcConnection>> connections;  // io thread
  std::atomic<std::size_t> num_connections{0};  // without those that linger
};

// What a stream has to tell its handler.
struct RpcEvent {
  enum class Kind : std::uint8_t { begin, message, bad_message, end, cancel, closed };
  Kind kind;
  std::shared_ptr<RpcStream> stream;
  std::string text{};  // the message, or why it is none
  int code = 0;        // bad_message
};

class RpcConnection final : public EventLoop::Watcher,
                            public H2Owner,
                            public std::enable_shared_from_this<RpcConnection> {
 public:
  RpcConnection(std::shared_ptr<RpcCore> core, std::unique_ptr<ByteStream> stream,
                std::shared_ptr<void> ticket);
  ~RpcConnection() override;

  // Io thread.
  void open();
  void on_events(std::uint32_t events) override;
  void on_tick(TimePoint now);
  void drain();  // no new calls; closes when those under way have ended
  void close();

  const RpcCore& core() const { return *core_; }

  // For its streams. lock() first; changed() sends what there is to send, releases it, and has what
  // there is to tell told.
  std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  void changed(std::unique_lock<std::mutex> lock);
  H2Session& session() { return session_; }
  void tell(RpcEvent event);
  void answering();  // a client that gets answers may ping
  void forget(std::int32_t id);

 private:
  enum class Phase : std::uint8_t { open, lingering, closed };

  bool read_some();
  void dispatch();
  void run(RpcEvent event);

  // mutex_ held
  H2Stream* on_request(std::int32_t id, H2Head head) override;
  void on_ping() override;
  void receive(std::string_view bytes);
  void flush();
  bool send_some();
  void linger();
  void close_locked();
  void update_interest();
  void check_silence(TimePoint now);
  bool unsent() const { return sent_ < out_.size(); }

  const std::shared_ptr<RpcCore> core_;
  std::shared_ptr<void> ticket_;  // the peer's place in PeerCounts
  std::mutex mutex_;
  std::unique_ptr<ByteStream> stream_;
  H2Session session_;
  std::unordered_map<std::int32_t, std::shared_ptr<RpcStream>> streams_;
  std::vector<RpcEvent> events_;
  std::string out_;
  std::size_t sent_ = 0;  // of out_
  Phase phase_ = Phase::open;
  std::uint32_t interest_ = 0;
  bool dispatching_ = false;  // the io thread is within dispatch()
  bool woken_ = false;        // it will be
  bool broken_ = false;       // the socket takes nothing more
  bool ending_ = false;       // linger once all is sent
  bool mute_ = false;         // the session has nothing more to say
  std::size_t num_received_ = 0;
  TimePoint opened_ = Clock::now(), received_ = opened_, sent_at_ = opened_, busy_ = opened_;
  TimePoint pinged_{}, client_pinged_{};  // zero: not since anything was received, or sent
  TimePoint linger_until_{};
  int ping_strikes_ = 0;
};

}  // namespace millrace::net
