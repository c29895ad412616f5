// The torch backend: TorchScript and AOTInductor packages on LibTorch. Types and shapes of inputs
// come from model.toml, the rest from the file and from trying the program out.
#pragma once

#include <memory>

#include "servable/servable.h"

namespace millrace::backends {

class TorchBackend final : public Backend {
 public:
  // To be made before other threads are: sets an environment variable for compiled packages.
  TorchBackend();
  const char* name() const override { return "torch"; }
  bool recognises(const ModelSpec& spec) const override;
  bool uses_kv_cache() const override { return false; }
  Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, LoadContext& context) override;
};

}  // namespace millrace::backends
