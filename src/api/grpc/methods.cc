#include "api/grpc/methods.h"

#include <algorithm>
#include <utility>

#include "api/grpc/health_calls.h"
#include "api/grpc/infer_calls.h"
#include "api/grpc/kserve_calls.h"
#include "api/grpc/tf_calls.h"
#include "api/grpc/tf_example_calls.h"
#include "api/kserve/infer.h"

namespace millrace::api {
namespace {

template <class Response, class Request>
Request request_of(Result<Response> (*)(const ApiContext&, const Request&));

// A method that is a function from request to response.
template <auto Answer>
void unary(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  decltype(request_of(Answer)) request;
  if (Status ok = message.parse(request); !ok) return call->fail(ok.error());
  const auto response = Answer(context, request);
  if (!response) return call->fail(response.error());
  call->answer(response->SerializeAsString());
}

constexpr std::size_t kSmall = std::size_t{256} << 10;

#define KSERVE "/inference.GRPCInferenceService/"
#define PREDICTION "/tensorflow.serving.PredictionService/"
#define HEALTH "/grpc.health.v1.Health/"
constexpr Method kMethods[] = {
    {KSERVE "ModelInfer", model_infer, kMaxGrpcMessageBytes, Method::Kind::unary,
     kMostInPlaceBytes},
    {KSERVE "ModelStreamInfer", model_stream_infer, kMaxGrpcMessageBytes, Method::Kind::stream},
    {KSERVE "ServerLive", unary<server_live>, kSmall, Method::Kind::unary, kSmall},
    {KSERVE "ServerReady", unary<server_ready>, kSmall, Method::Kind::unary, kSmall},
    {KSERVE "ModelReady", unary<model_ready>, kSmall},
    {KSERVE "ServerMetadata", unary<server_metadata>, kSmall},
    {KSERVE "ModelMetadata", unary<model_metadata>, kSmall},
    {KSERVE "ModelConfig", unary<model_config>, kSmall},
    {KSERVE "ModelStatistics", unary<model_statistics>, kSmall},
    {KSERVE "RepositoryIndex", unary<repository_index>, kSmall},
    {KSERVE "RepositoryModelLoad", repository_load, kSmall},
    {KSERVE "RepositoryModelUnload", unary<repository_unload>, kSmall},
    {KSERVE "SystemSharedMemoryStatus", unary<system_shared_memory_status>, kSmall},
    {KSERVE "SystemSharedMemoryRegister", unary<system_shared_memory_register>, kSmall},
    {KSERVE "SystemSharedMemoryUnregister", unary<system_shared_memory_unregister>, kSmall},
    {KSERVE "CudaSharedMemoryStatus", unary<cuda_shared_memory_status>, kSmall},
    {KSERVE "CudaSharedMemoryRegister", unary<cuda_shared_memory_register>, kSmall},
    {KSERVE "CudaSharedMemoryUnregister", unary<cuda_shared_memory_unregister>, kSmall},
    {KSERVE "TraceSetting", unary<trace_setting>, kSmall},
    {KSERVE "LogSettings", unary<log_settings>, kSmall},
    {PREDICTION "Predict", predict, kMaxGrpcMessageBytes},
    {PREDICTION "Classify", classify, kMaxGrpcMessageBytes},
    {PREDICTION "Regress", regress, kMaxGrpcMessageBytes},
    {PREDICTION "MultiInference", multi_inference, kMaxGrpcMessageBytes},
    {PREDICTION "GetModelMetadata", unary<get_tf_metadata>, kSmall},
    {"/tensorflow.serving.ModelService/GetModelStatus", unary<get_tf_status>, kSmall},
    {HEALTH "Check", unary<health_check>, kSmall, Method::Kind::unary, kSmall},
    {HEALTH "Watch", health_watch, kSmall, Method::Kind::server_stream},
};
#undef KSERVE
#undef PREDICTION
#undef HEALTH

}  // namespace

std::span<const Method> methods() {
  return kMethods;
}

const Method* find_method(std::string_view path) {
  const auto found = std::ranges::find(kMethods, path, &Method::path);
  return found == std::end(kMethods) ? nullptr : found;
}

}  // namespace millrace::api
