#include "api/grpc/grpc_server.h"

#include <google/protobuf/stubs/logging.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "api/errors.h"
#include "api/grpc/grpc_call.h"
#include "net/rpc_server.h"

namespace millrace::api {
namespace {

constexpr std::chrono::milliseconds kTick{500};

// The library's own words are for those who debug it: a hostile client can cause any number.
void quiet_libraries() {
  static std::once_flag once;
  std::call_once(once, [] { google::protobuf::SetLogHandler(nullptr); });
}

class Service final : public net::RpcService {
 public:
  explicit Service(const GrpcShared& shared) : shared_(shared) {}

  std::size_t max_message_bytes(std::string_view path) const override {
    const Method* method = find_method(path);
    return method ? method->max_bytes : kMaxGrpcMessageBytes;
  }

  std::shared_ptr<net::RpcHandler> begin(std::shared_ptr<net::Rpc> rpc) override {
    const Method* method = find_method(rpc->path());
    if (!method) {
      return refuse(*rpc, net::kRpcUnimplemented,
                    "There is no method " + safe_name(rpc->path()) + ".");
    }
    auto call = std::make_shared<GrpcCall>(*method, std::move(rpc), shared_);
    if (!shared_.live.add(call)) {
      return refuse(call->rpc(), net::kRpcUnavailable,
                    "The server is full or shutting down; try again.");
    }
    call->begin();
    return call;
  }

 private:
  // A call that is refused before it is one.
  std::shared_ptr<net::RpcHandler> refuse(net::Rpc& rpc, int code, std::string why) {
    shared_.metrics.observe("none", code, 0);
    rpc.finish(code, std::move(why));
    return nullptr;
  }

  const GrpcShared shared_;
};

class LiveServer final : public GrpcServer {
 public:
  LiveServer(GrpcServerOptions options, const ApiContext& context, WorkerPool& workers)
      : options_(std::move(options)),
        metrics_(context.metrics),
        live_(options_.max_calls),
        shared_{context, workers, metrics_, live_},
        service_(shared_),
        server_({.host = options_.host, .port = options_.port, .limits = {}}, service_) {}
  ~LiveServer() override { stop(std::chrono::milliseconds(0)); }

  Status start() override {
    quiet_libraries();
    if (Status listening = server_.start(); !listening) {
      return fail(ErrorKind::unavailable,
                  listening.error().message + " (for gRPC: is the port taken?)");
    }
    ticker_ = std::jthread([this](const std::stop_token& stopping) { tick(stopping); });
    return {};
  }

  std::uint16_t port() const override { return server_.port(); }

  void stop(std::chrono::milliseconds grace) override {
    live_.close();
    for (const auto& call : live_.all()) call->end_if_idle();
    server_.stop(grace);
    // A call that is just getting its status elsewhere is counted before the counts go.
    while (!live_.all().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ticker_ = {};
  }

 private:
  void tick(const std::stop_token& stopping) {
    name_this_thread("grpc-ticker");
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, stopping, kTick, [&] { return stopping.stop_requested(); })) {
      const TimePoint now = Clock::now();
      for (const auto& call : live_.all()) call->tick(now);
    }
  }

  const GrpcServerOptions options_;
  GrpcMetrics metrics_;
  LiveCalls live_;
  const GrpcShared shared_;
  Service service_;
  net::RpcServer server_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread ticker_;
};

}  // namespace

std::unique_ptr<GrpcServer> make_grpc_server(GrpcServerOptions options, const ApiContext& context,
                                             WorkerPool& workers) {
  return std::make_unique<LiveServer>(std::move(options), context, workers);
}

}  // namespace millrace::api
