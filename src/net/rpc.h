// Rpc: one call of a gRPC client as bytes, and who handles it. Messages are without the length that
// precedes them on the wire. Source: gRPC over HTTP/2 (PROTOCOL-HTTP2 of the gRPC project).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace millrace::net {

// Status codes that the transport gives by itself.
enum RpcCode : int {
  kRpcOk = 0,
  kRpcCancelled = 1,
  kRpcInvalidArgument = 3,
  kRpcDeadlineExceeded = 4,
  kRpcResourceExhausted = 8,
  kRpcUnimplemented = 12,
  kRpcInternal = 13,
  kRpcUnavailable = 14,
};

// The wire's side of a call. Every method may be called from any thread and with any lock held, and
// does nothing once the call has a status or its client is gone.
class Rpc {
 public:
  virtual ~Rpc() = default;
  virtual std::string_view path() const = 0;  // "/package.Service/Method"
  // Of the request; empty where there is none. Lives as long as the Rpc.
  virtual std::string_view metadata(std::string_view key) const = 0;
  virtual TimePoint deadline() const = 0;  // the client's; kNever without one

  // Asks for the next message: on_message() or on_end() follows, once; not before the client has
  // taken most of what was written. What is not asked for stays with the client.
  virtual void read() = 0;
  virtual void write(std::string message) = 0;
  // After what was written: the call's status, the last word.
  virtual void finish(int code, std::string text) = 0;
  // write() and finish(kRpcOk) in one.
  virtual void answer(std::string message) = 0;
};

// Called on the connection's io thread, with no lock of the wire's held.
class RpcHandler {
 public:
  virtual ~RpcHandler() = default;
  virtual void on_message(std::string message) = 0;
  // What came is no message to be taken: to be finished with this.
  virtual void on_bad_message(int code, std::string why) = 0;
  virtual void on_end() = 0;  // the client sends no more
  // The client gave the call up, or is gone, or takes nothing of an answer; the last call, and none
  // where the handler's finish() came first.
  virtual void on_cancel() = 0;
};

// What serves calls: the methods there are. Thread-safe.
class RpcService {
 public:
  virtual ~RpcService() = default;
  // The largest message of that method; larger ones are refused before they are taken in.
  virtual std::size_t max_message_bytes(std::string_view path) const = 0;
  // A new call; io thread, no lock held. Null: the service has finished it.
  virtual std::shared_ptr<RpcHandler> begin(std::shared_ptr<Rpc> rpc) = 0;
};

}  // namespace millrace::net
