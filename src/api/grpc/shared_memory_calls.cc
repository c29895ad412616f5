#include <utility>

#include "api/grpc/kserve_calls.h"
#include "api/kserve/shared_memory.h"

namespace millrace::api {

Result<inference::SystemSharedMemoryStatusResponse> system_shared_memory_status(
    const ApiContext& context, const inference::SystemSharedMemoryStatusRequest& request) {
  auto memory = shared_memory_of(context);
  if (!memory) return pass(memory);
  inference::SystemSharedMemoryStatusResponse response;
  const auto add = [&](const serving::SharedRegion& region) {
    auto& status = (*response.mutable_regions())[region.name];
    status.set_name(region.name);
    status.set_key(region.key);
    status.set_offset(region.offset);
    status.set_byte_size(region.byte_size);
  };
  if (request.name().empty()) {
    for (const serving::SharedRegion& region : (*memory)->list()) add(region);
    return response;
  }
  auto region = (*memory)->find(request.name());
  if (!region) return pass(region);
  add(*region);
  return response;
}

Result<inference::SystemSharedMemoryRegisterResponse> system_shared_memory_register(
    const ApiContext& context, const inference::SystemSharedMemoryRegisterRequest& request) {
  auto memory = shared_memory_of(context);
  if (!memory) return pass(memory);
  Status added = (*memory)->add({.name = request.name(),
                                 .key = request.key(),
                                 .offset = request.offset(),
                                 .byte_size = request.byte_size()});
  if (!added) return pass(added);
  return inference::SystemSharedMemoryRegisterResponse();
}

Result<inference::SystemSharedMemoryUnregisterResponse> system_shared_memory_unregister(
    const ApiContext& context, const inference::SystemSharedMemoryUnregisterRequest& request) {
  auto memory = shared_memory_of(context);
  if (!memory) return pass(memory);
  if (request.name().empty()) {
    (*memory)->clear();
  } else if (Status removed = (*memory)->remove(request.name()); !removed) {
    return pass(removed);
  }
  return inference::SystemSharedMemoryUnregisterResponse();
}

Result<inference::CudaSharedMemoryStatusResponse> cuda_shared_memory_status(
    const ApiContext&, const inference::CudaSharedMemoryStatusRequest&) {
  return inference::CudaSharedMemoryStatusResponse();
}

Result<inference::CudaSharedMemoryRegisterResponse> cuda_shared_memory_register(
    const ApiContext&, const inference::CudaSharedMemoryRegisterRequest&) {
  return std::unexpected(no_cuda_shared_memory());
}

// None is ever registered: nothing to do.
Result<inference::CudaSharedMemoryUnregisterResponse> cuda_shared_memory_unregister(
    const ApiContext&, const inference::CudaSharedMemoryUnregisterRequest&) {
  return inference::CudaSharedMemoryUnregisterResponse();
}

}  // namespace millrace::api
