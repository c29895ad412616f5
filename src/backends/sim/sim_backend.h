// The sim backend: a device made of arithmetic under the real engine. Capacity and step times are
// known exactly, so queueing, overload, fairness and cancellation are tested and demonstrated
// without weights. A model is a folder with a file `sim.model` in it, or any path when
// ModelSpec::sim has entries. Keys of ModelSpec::sim, all numbers:
//   step_ms (10)  token_us (0)  attended_ns (0)  sequence_us (0)    cost of a step
//   max_batch (32)  max_batched_tokens (512)  blocks (4096)  block_tokens (16)  max_len (8192)
//   mean_output_tokens (0: outputs go on to max_tokens)
//   poison_token, crash_token (-1): prompts with it fail alone, or fail their step
#pragma once

#include "servable/servable.h"

namespace millrace::backends {

class SimBackend final : public Backend {
 public:
  const char* name() const override { return "sim"; }
  bool recognises(const ModelSpec& spec) const override;
  Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, LoadContext& context) override;
};

}  // namespace millrace::backends
