// RpcServer: gRPC over HTTP/2 without TLS, bytes only: what the methods are is the service's
// business. One io thread reads, and calls the service; answers go to the socket from the thread
// that has them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/h2_session.h"
#include "net/rpc.h"

namespace millrace::net {

struct RpcLimits {  // the table of limits' defaults
  std::size_t max_connections = 10'000;
  std::size_t max_connections_per_ip = 256;  // IPv6: per /64
  bool count_loopback = false;               // in max_connections_per_ip
  H2Limits h2{};
  // Of a call: above it no message is read; those that are unanswered are the service's business.
  std::size_t max_unsent_bytes = std::size_t{256} << 10;
  std::chrono::milliseconds greeting_timeout{10'000};  // for the connection's first bytes
  std::chrono::milliseconds idle_timeout{300'000};     // without a call
  // A silent client is asked whether it is there, and has so long to answer.
  std::chrono::milliseconds ping_after{60'000};
  std::chrono::milliseconds ping_timeout{20'000};
  // For a client that takes nothing of what waits for it.
  std::chrono::milliseconds write_stall_timeout{30'000};
  std::chrono::milliseconds linger_timeout{2'000};
  // A client may ping so soon after its last, so many times without an answer in between.
  std::chrono::milliseconds min_ping_interval{10'000};
  int max_ping_strikes = 2;
};

struct RpcServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free port, see port()
  RpcLimits limits;
};

class RpcServer {
 public:
  RpcServer(RpcServerOptions options, RpcService& service);  // the service outlives the server
  ~RpcServer();                                              // stop(0)

  Status start();  // binds and listens
  std::uint16_t port() const;
  // Takes no new calls, lets those under way have `grace`, then ends them.
  void stop(std::chrono::milliseconds grace);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::net
