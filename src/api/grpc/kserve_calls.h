// The methods of inference.GRPCInferenceService besides those that infer: each from its request to
// its response or an error.
#pragma once

#include <memory>

#include "api/context.h"
#include "api/grpc/call.h"
#include "api/grpc/message.h"
#include "kserve.pb.h"

namespace millrace::api {

Result<inference::ServerLiveResponse> server_live(const ApiContext& context,
                                                  const inference::ServerLiveRequest& request);
Result<inference::ServerReadyResponse> server_ready(const ApiContext& context,
                                                    const inference::ServerReadyRequest& request);
// A model that is not there is not ready; no error.
Result<inference::ModelReadyResponse> model_ready(const ApiContext& context,
                                                  const inference::ModelReadyRequest& request);
Result<inference::ServerMetadataResponse> server_metadata(
    const ApiContext& context, const inference::ServerMetadataRequest& request);
Result<inference::ModelMetadataResponse> model_metadata(
    const ApiContext& context, const inference::ModelMetadataRequest& request);
Result<inference::ModelConfigResponse> model_config(const ApiContext& context,
                                                    const inference::ModelConfigRequest& request);
// Without a name: of all models.
Result<inference::ModelStatisticsResponse> model_statistics(
    const ApiContext& context, const inference::ModelStatisticsRequest& request);

Result<inference::RepositoryIndexResponse> repository_index(
    const ApiContext& context, const inference::RepositoryIndexRequest& request);
// Answers when the model serves or has failed. "not_allowed" unless the options allow it.
void repository_load(const ApiContext& context, std::shared_ptr<Call> call, Message message);
Result<inference::RepositoryModelUnloadResponse> repository_unload(
    const ApiContext& context, const inference::RepositoryModelUnloadRequest& request);

Result<inference::SystemSharedMemoryStatusResponse> system_shared_memory_status(
    const ApiContext& context, const inference::SystemSharedMemoryStatusRequest& request);
Result<inference::SystemSharedMemoryRegisterResponse> system_shared_memory_register(
    const ApiContext& context, const inference::SystemSharedMemoryRegisterRequest& request);
Result<inference::SystemSharedMemoryUnregisterResponse> system_shared_memory_unregister(
    const ApiContext& context, const inference::SystemSharedMemoryUnregisterRequest& request);
Result<inference::CudaSharedMemoryStatusResponse> cuda_shared_memory_status(
    const ApiContext& context, const inference::CudaSharedMemoryStatusRequest& request);
Result<inference::CudaSharedMemoryRegisterResponse> cuda_shared_memory_register(
    const ApiContext& context, const inference::CudaSharedMemoryRegisterRequest& request);
Result<inference::CudaSharedMemoryUnregisterResponse> cuda_shared_memory_unregister(
    const ApiContext& context, const inference::CudaSharedMemoryUnregisterRequest& request);

// What is set may be asked; changing it is "not_implemented".
Result<inference::TraceSettingResponse> trace_setting(
    const ApiContext& context, const inference::TraceSettingRequest& request);
Result<inference::LogSettingsResponse> log_settings(const ApiContext& context,
                                                    const inference::LogSettingsRequest& request);

}  // namespace millrace::api
