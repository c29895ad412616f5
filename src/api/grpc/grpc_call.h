// GrpcCall: a Call on the wire's side of one, and the calls that are under way.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/context.h"
#include "api/grpc/call.h"
#include "api/grpc/grpc_metrics.h"
#include "api/grpc/methods.h"
#include "base/worker_pool.h"
#include "net/rpc.h"

namespace millrace::api {

class GrpcCall;

// Every call without a status. Thread-safe.
class LiveCalls {
 public:
  explicit LiveCalls(std::size_t most) : most_(most) {}
  // False when there are `most`, or after close().
  bool add(std::shared_ptr<GrpcCall> call);
  void remove(const GrpcCall* call);
  std::vector<std::shared_ptr<GrpcCall>> all() const;
  void close();

 private:
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::unordered_map<const GrpcCall*, std::shared_ptr<GrpcCall>> calls_;
  bool closed_ = false;
};

// What calls need of their server; it outlives them.
struct GrpcShared {
  const ApiContext& context;
  WorkerPool& workers;
  GrpcMetrics& metrics;
  LiveCalls& live;
};

// A call of any method: takes messages, hands them to the method's handler, in place or on a
// worker, and gives the wire what it answers. Held by LiveCalls until it has a status, by handlers
// as long as they like.
class GrpcCall final : public Call,
                       public net::RpcHandler,
                       public std::enable_shared_from_this<GrpcCall> {
 public:
  // Of a stream: as many messages as may be unanswered before the next is read.
  static constexpr int kMaxOwed = 64;

  GrpcCall(const Method& method, std::shared_ptr<net::Rpc> rpc, const GrpcShared& shared);
  void begin();
  // Ends what is late: a call past its deadline, a request that does not come.
  void tick(TimePoint now);
  // The server ends: calls that wait for nothing but their client are over.
  void end_if_idle();
  net::Rpc& rpc() { return *rpc_; }

  TimePoint deadline() const override { return rpc_->deadline(); }
  std::stop_token stop() const override { return stop_.get_token(); }
  std::string metadata(const char* key) const override { return std::string(rpc_->metadata(key)); }
  void answer(std::string message) override;
  void fail(const Error& error) override;
  void send(std::string message) override;
  void settle() override;
  void every_tick(std::function<void()> look) override;

  void on_message(std::string message) override;
  void on_bad_message(int code, std::string why) override;
  void on_end() override;
  void on_cancel() override;

 private:
  void finish(int code, std::string message);
  bool leave(int code);

  // mutex_ held
  void read_next();
  bool is_settled() const;

  const Method& method_;
  const std::shared_ptr<net::Rpc> rpc_;
  const GrpcShared shared_;
  const TimePoint began_ = Clock::now();
  std::stop_source stop_;
  mutable std::mutex mutex_;
  int owed_ = 0;  // messages without their last answer
  bool reading_ = false;
  bool received_ = false;  // a message
  bool read_all_ = false;  // the client sends no more
  bool finished_ = false;
  std::shared_ptr<std::function<void()>> look_;  // shared: it has a state of its own
};

}  // namespace millrace::api
