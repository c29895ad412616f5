#include "app/backends.h"

#include "backends/native/native_backend.h"
#include "backends/sim/sim_backend.h"

namespace millrace::app {

std::vector<std::unique_ptr<Backend>> make_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(std::make_unique<backends::NativeBackend>());
  backends.push_back(std::make_unique<backends::SimBackend>());
  return backends;
}

}  // namespace millrace::app
