// The native backend: GGUF files and Hugging Face folders of causal language models, run by our own
// decoder, kernels and engine.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "servable/servable.h"
#include "tensor/compute_pool.h"

namespace millrace::backends {

class NativeBackend final : public Backend {
 public:
  NativeBackend();
  ~NativeBackend() override;

  const char* name() const override { return "native"; }
  bool recognises(const ModelSpec& spec) const override;
  // Thread-safe; several models may load at once. Errors: not_found, invalid_argument (the files or
  // a setting), too_large (the KV cache cannot hold the context).
  Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, LoadContext& context) override;

 private:
  // Models that ask for the same number of threads share one pool and take turns.
  std::shared_ptr<ComputePool> pool_of(int num_threads);

  std::mutex mutex_;
  std::map<int, std::weak_ptr<ComputePool>> pools_;
};

}  // namespace millrace::backends
