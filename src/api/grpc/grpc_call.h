// GrpcCall: a Call on gRPC's callback interface, and the calls that are under way.
#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include <cstddef>
#include <deque>
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

namespace millrace::api {

class GrpcCall;

// Every call that gRPC has not taken leave of. Thread-safe.
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

// A reactor of any method: reads bytes, hands them to the method's handler on a worker, writes
// bytes. Held by LiveCalls until gRPC is done with it, by handlers as long as they like.
class GrpcCall final : public Call,
                       public grpc::ServerGenericBidiReactor,
                       public std::enable_shared_from_this<GrpcCall> {
 public:
  // Of a stream: as many messages as may be unanswered, as many bytes as may be unsent, before the
  // next is read.
  static constexpr int kMaxOwed = 64;
  static constexpr std::size_t kMaxUnsentBytes = std::size_t{256} << 10;

  GrpcCall(const Method& method, grpc::CallbackServerContext& about, const GrpcShared& shared);
  void begin();
  // Ends what makes no progress: an answer that is not taken, a request that does not come.
  void tick(TimePoint now);
  // The server ends: calls that wait for nothing but their client are over.
  void end_if_idle();

  TimePoint deadline() const override { return deadline_; }
  std::stop_token stop() const override { return stop_.get_token(); }
  std::string metadata(const char* key) const override;
  void answer(std::string message) override;
  void fail(const Error& error) override;
  void send(std::string message) override;
  void settle() override;
  void every_tick(std::function<void()> look) override;

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // mutex_ held
  void take(std::unique_lock<std::mutex> lock);
  void read_next();
  void write_next();
  void end_if_settled();
  void finish(int code, const std::string& message);

  const Method& method_;
  const GrpcShared shared_;
  const TimePoint began_ = Clock::now();
  const TimePoint deadline_;
  std::stop_source stop_;
  mutable std::mutex mutex_;
  grpc::CallbackServerContext* about_;  // null once gRPC is done
  grpc::ByteBuffer incoming_, outgoing_;
  std::size_t outgoing_bytes_ = 0;
  std::deque<std::string> unsent_;
  std::size_t unsent_bytes_ = 0;  // with those being written
  int owed_ = 0;                  // messages without their last answer
  bool reading_ = false, writing_ = false;
  bool received_ = false;  // a message
  bool read_all_ = false;  // the client sends no more
  bool finished_ = false;  // no further operation may be started
  TimePoint write_began_{};
  int code_ = 0;
  std::shared_ptr<std::function<void()>> look_;  // shared: it has a state of its own
};

}  // namespace millrace::api
