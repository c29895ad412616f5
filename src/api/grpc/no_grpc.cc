// In place of grpc_server.cc in a build without gRPC.
#include "api/grpc/grpc_server.h"

namespace millrace::api {

// NOLINTNEXTLINE(performance-unnecessary-value-param): the declaration is that of grpc_server.cc
std::unique_ptr<GrpcServer> make_grpc_server(GrpcServerOptions, const ApiContext&, WorkerPool&) {
  return nullptr;
}

}  // namespace millrace::api
