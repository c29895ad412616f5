#include "app/optional_parts.h"

#include <algorithm>
#include <string_view>

#include "app/backends.h"
#include "backends/torch/torch_module.h"
#include "kernels/select.h"

namespace millrace::app {
namespace {

// What cannot be asked of the program is known from the build (src/CMakeLists.txt).
constexpr bool kHasWebUi = MILLRACE_HAS_UI;
constexpr bool kHasTls = MILLRACE_HAS_TLS;
constexpr bool kHasGrpc = MILLRACE_HAS_GRPC;

bool has_backend(std::string_view name) {
  return std::ranges::any_of(make_backends(), [&](const auto& backend) {
    return backend->name() == name && backend->available();
  });
}

bool has_kernels(std::string_view name) {
  return std::ranges::any_of(kernels::runnable_kernels(),
                             [&](const auto* table) { return table->name == name; });
}

}  // namespace

std::vector<OptionalPart> optional_parts() {
  return {
      {.name = "native backend",
       .present = has_backend("native"),
       .detail = "GGUF and Hugging Face folders",
       .fix = "build again: it is part of every build"},
      {.name = "CUDA kernels",
       .present = has_kernels("cuda"),
       .detail = "language models on NVIDIA GPUs",
       .fix = ""},
      {.name = "OpenVINO backend",
       .present = has_backend("openvino"),
       .detail = "ONNX, TensorFlow, TFLite and OpenVINO graphs",
       .fix = "run scripts/fetch-openvino, then build again"},
      {.name = "gRPC",
       .present = kHasGrpc,
       .detail = "KServe v2 and TensorFlow Serving on a port of their own",
       .fix = "run scripts/setup, which installs nghttp2 and protobuf, then build again"},
      {.name = "LibTorch backend",
       .present = backends::has_torch_module(),
       .detail = "TorchScript and AOTInductor packages",
       .fix = "build again with WITH_TORCH=1 make build"},
      {.name = "web UI",
       .present = kHasWebUi,
       .detail = "a page at / to chat and to watch",
       .fix = "build again with a network (configuring says what was missing); until then use any "
              "OpenAI client, or millrace run"},
      {.name = "TLS",
       .present = kHasTls,
       .detail = "https on the server's own ports",
       .fix = "put a proxy with TLS before it"},
  };
}

}  // namespace millrace::app
