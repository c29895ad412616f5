// In place of grpc_server.cc in a build without gRPC.
#include "api/grpc/grpc_server.h"

namespace millrace::api {

std::unique_ptr<GrpcServer> make_grpc_server(GrpcServerOptions, const ApiContext&, WorkerPool&) {
  return nullptr;
}

}  // namespace millrace::api
