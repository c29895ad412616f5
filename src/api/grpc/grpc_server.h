// GrpcServer: the gRPC port. Every method is in methods.cc.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/context.h"
#include "base/worker_pool.h"

namespace millrace::api {

struct GrpcServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free port, see port()
  std::size_t max_calls = 10'000;
};

class GrpcServer {
 public:
  virtual ~GrpcServer() = default;         // stop(0)
  virtual Status start() = 0;              // binds and listens; the error names host and port
  virtual std::uint16_t port() const = 0;  // 0 where nothing listens
  // Stops accepting, ends calls that wait for their client only, lets the others have `grace`, then
  // cancels them. Returns when all have ended.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

// Null in a build without gRPC. Borrows context and workers; they outlive the server.
std::unique_ptr<GrpcServer> make_grpc_server(GrpcServerOptions options, const ApiContext& context,
                                             WorkerPool& workers);

}  // namespace millrace::api
