// grpc.health.v1.Health: of the server ("") and of each of its services.
#pragma once

#include <memory>

#include "api/context.h"
#include "api/grpc/call.h"
#include "api/grpc/message.h"
#include "health.pb.h"

namespace millrace::api {

// not_found for a service that is none of the server's.
Result<grpc::health::v1::HealthCheckResponse> health_check(
    const ApiContext& context, const grpc::health::v1::HealthCheckRequest& request);
// Sends the status, and again when it has changed, until the client leaves.
void health_watch(const ApiContext& context, std::shared_ptr<Call> call, Message message);

}  // namespace millrace::api
