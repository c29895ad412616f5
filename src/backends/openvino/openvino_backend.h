// The openvino backend: ONNX, OpenVINO IR, TensorFlow and TFLite graphs on OpenVINO's CPU device.
// Inputs, outputs and whether axis 0 is a batch come from the graph. Needs nothing beside the file.
#pragma once

#include <memory>

#include "servable/servable.h"

namespace millrace::backends {

class OpenvinoBackend final : public Backend {
 public:
  OpenvinoBackend();
  ~OpenvinoBackend() override;
  const char* name() const override { return "openvino"; }
  bool recognises(const ModelSpec& spec) const override;
  bool uses_kv_cache() const override { return false; }
  Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, LoadContext& context) override;

  struct State;  // the runtime: made at the first load, so that others do not pay for it

 private:
  std::unique_ptr<State> state_;
};

}  // namespace millrace::backends
