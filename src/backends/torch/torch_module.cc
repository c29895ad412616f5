#include "backends/torch/torch_module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <mutex>
#include <string>
#include <system_error>

#include "base/log.h"

namespace millrace::backends {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFileName = "libmillrace_torch.so";

Result<const TorchLibrary*> open_now() {
  const fs::path path = torch_module_path();
  if (!has_torch_module()) {
    return fail(ErrorKind::unavailable,
                "this build has no LibTorch, which runs PyTorch programs: build again with "
                "WITH_TORCH=1 make build");
  }
  // Its symbols stay its own: LibTorch carries protobuf and oneDNN, as others here do.
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    log_error("LibTorch cannot be opened: {}", ::dlerror());
    return fail(ErrorKind::unavailable,
                "LibTorch, which runs PyTorch programs, cannot be opened: the log says why");
  }
  const auto open = reinterpret_cast<OpenTorchLibrary>(::dlsym(handle, kOpenTorchLibrary));
  const TorchLibrary* library = open ? open(kTorchHeaders) : nullptr;
  if (library) return library;
  return fail(ErrorKind::unavailable,
              fmt::format("'{}' belongs to another build: build again with WITH_TORCH=1 make build",
                          kFileName));
}

}  // namespace

fs::path torch_module_path() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path() / kFileName;
}

bool has_torch_module() {
  std::error_code error;
  return fs::is_regular_file(torch_module_path(), error);
}

Result<const TorchLibrary*> open_torch_module() {
  static std::mutex mutex;
  static const TorchLibrary* opened = nullptr;
  std::lock_guard lock(mutex);
  if (opened) return opened;
  auto library = open_now();
  if (library) opened = *library;
  return library;
}

}  // namespace millrace::backends
