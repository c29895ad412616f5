#include "api/grpc/grpc_server.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "api/errors.h"
#include "api/grpc/grpc_call.h"
#include "base/log.h"

namespace millrace::api {
namespace {

constexpr std::chrono::milliseconds kTick{500};

// The library's own words are for those who debug it: a hostile client can cause any number.
void quiet_libraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    gpr_set_log_function([](gpr_log_func_args* line) { log_debug("gRPC: {}", line->message); });
    google::protobuf::SetLogHandler(nullptr);
  });
}

// A call that is refused before it is one.
class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  Refusal(grpc::StatusCode code, const std::string& message, GrpcMetrics& metrics) {
    metrics.observe("none", code, 0);
    Finish(grpc::Status(code, message));
  }
  void OnDone() override { delete this; }
};

class Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(const GrpcShared& shared) : shared_(shared) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* about) override {
    const Method* method = find_method(about->method());
    if (!method) {
      return new Refusal(grpc::StatusCode::UNIMPLEMENTED,
                         "There is no method " + safe_name(about->method()) + ".", shared_.metrics);
    }
    auto call = std::make_shared<GrpcCall>(*method, *about, shared_);
    if (!shared_.live.add(call)) {
      return new Refusal(grpc::StatusCode::UNAVAILABLE,
                         "The server is full or shutting down; try again.", shared_.metrics);
    }
    call->begin();
    return call.get();
  }

 private:
  const GrpcShared shared_;
};

void set_limits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxGrpcMessageBytes));
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_ALLOW_REUSEPORT, 0},  // a port that is taken is an error
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, 100},
      {GRPC_ARG_MAX_METADATA_SIZE, 16 << 10},
      // A tensor in a few large pieces: at the defaults (16 KiB, 64 KiB, grown by probing) taking a
      // picture in costs more than its small network does.
      {GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20},
      {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 20},
      {GRPC_ARG_HTTP2_BDP_PROBE, 0},
      // A peer that is gone without a word is noticed; one that is idle is sent away politely.
      {GRPC_ARG_KEEPALIVE_TIME_MS, 60'000},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000},
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300'000},
      // A flood of pings ends the connection: ENHANCE_YOUR_CALM.
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000},
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2},
      // As over HTTP: nothing that grows when it is unpacked.
      {GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE},
  };
  for (const auto& [name, value] : arguments) builder.AddChannelArgument(name, value);
}

class LiveServer final : public GrpcServer {
 public:
  LiveServer(GrpcServerOptions options, const ApiContext& context, WorkerPool& workers)
      : options_(std::move(options)),
        metrics_(context.metrics),
        live_(options_.max_calls),
        shared_{context, workers, metrics_, live_} {}
  ~LiveServer() override { stop(std::chrono::milliseconds(0)); }

  Status start() override {
    quiet_libraries();
    const bool is_ipv6 = options_.host.find(':') != std::string::npos;
    const std::string address =
        fmt::format("{}:{}", is_ipv6 ? "[" + options_.host + "]" : options_.host, options_.port);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    service_ = std::make_unique<Service>(shared_);  // good for one server only
    builder.RegisterCallbackGenericService(service_.get());
    set_limits(builder);
    server_ = builder.BuildAndStart();
    if (!server_ || port_ <= 0) {
      server_.reset();
      return fail(ErrorKind::unavailable,
                  fmt::format("cannot listen on {} for gRPC: is the port taken?", address));
    }
    ticker_ = std::jthread([this](const std::stop_token& stopping) { tick(stopping); });
    return {};
  }

  std::uint16_t port() const override { return static_cast<std::uint16_t>(port_); }

  void stop(std::chrono::milliseconds grace) override {
    if (!server_) return;
    live_.close();
    for (const auto& call : live_.all()) call->end_if_idle();
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_.reset();
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
  std::unique_ptr<Service> service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
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
