#include "api/grpc/health_calls.h"

#include <algorithm>
#include <string>

#include "api/admin/health.h"
#include "api/errors.h"

namespace millrace::api {
namespace {

using grpc::health::v1::HealthCheckResponse;

constexpr const char* kServices[] = {"", "inference.GRPCInferenceService",
                                     "tensorflow.serving.PredictionService",
                                     "tensorflow.serving.ModelService", "grpc.health.v1.Health"};

HealthCheckResponse::ServingStatus status_of(const ApiContext& context, const std::string& name) {
  if (std::ranges::find(kServices, name) == std::end(kServices)) {
    return HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return is_ready(context) ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

std::string bytes_of(HealthCheckResponse::ServingStatus status) {
  HealthCheckResponse response;
  response.set_status(status);
  return response.SerializeAsString();
}

}  // namespace

Result<HealthCheckResponse> health_check(const ApiContext& context,
                                         const grpc::health::v1::HealthCheckRequest& request) {
  HealthCheckResponse response;
  response.set_status(status_of(context, request.service()));
  if (response.status() != HealthCheckResponse::SERVICE_UNKNOWN) return response;
  return fail(ErrorKind::not_found, "there is no service " + safe_name(request.service()),
              "service");
}

void health_watch(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  grpc::health::v1::HealthCheckRequest request;
  if (Status ok = message.parse(request); !ok) return call->fail(ok.error());
  const auto first = status_of(context, request.service());
  call->send(bytes_of(first));
  // The call keeps the function, and lives while it runs.
  call->every_tick([&context, call = call.get(), name = request.service(), last = first]() mutable {
    const auto now = status_of(context, name);
    if (now == last) return;
    last = now;
    call->send(bytes_of(now));
  });
}

}  // namespace millrace::api
