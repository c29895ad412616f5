#include "app/backends.h"

#include "backends/native/native_backend.h"
#include "backends/sim/sim_backend.h"
#include "backends/torch/torch_backend.h"
#include "serving/pipeline/pipeline_backend.h"
#ifdef MILLRACE_HAS_OPENVINO
#include "backends/openvino/openvino_backend.h"
#else
#include "backends/openvino/missing_openvino.h"
#endif

namespace millrace::app {

std::vector<std::unique_ptr<Backend>> make_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(std::make_unique<serving::PipelineBackend>());
  backends.push_back(std::make_unique<backends::NativeBackend>());
  backends.push_back(std::make_unique<backends::SimBackend>());
#ifdef MILLRACE_HAS_OPENVINO
  backends.push_back(std::make_unique<backends::OpenvinoBackend>());
#else
  backends.push_back(std::make_unique<backends::MissingOpenvino>());
#endif
  backends.push_back(std::make_unique<backends::TorchBackend>());
  return backends;
}

}  // namespace millrace::app
