// TensorModel: named tensors in, named tensors out, asynchronously. The capability of graph models
// (ONNX, TensorFlow, …). Tensors are row-major, contiguous and little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/trace.h"
#include "tensor/tensor.h"

namespace millrace {

// An input or output of a model. Where the model is batchable, axis 0 is the batch.
struct TensorSpec {
  std::string name{};
  DType dtype = DType::f32;
  Shape shape{};          // -1: any size
  bool any_rank = false;  // nothing is known about the shape; `shape` is empty
};

// The value of one input. Its bytes are the parts end to end: requests that were merged along axis
// 0 lie in as many parts. DType::bytes: each element is a 32-bit length and that many bytes.
struct InputTensor {
  Shape shape{};  // of all parts together
  std::vector<std::span<const std::byte>> parts{};
};

inline std::size_t bytes_of(std::span<const InputTensor> inputs) {
  std::size_t sum = 0;
  for (const InputTensor& input : inputs) {
    for (const auto part : input.parts) sum += part.size();
  }
  return sum;
}

// One execution. The caller has checked shapes and sizes against the specs.
struct TensorBatch {
  std::vector<InputTensor> inputs{};    // in the order of ModelDescription::inputs
  std::shared_ptr<const void> owner{};  // keeps the parts: outputs may be views of them
  std::stop_token stop{};               // requested: the answer is not wanted any more
  // For models that ask others.
  int priority = 0;             // lower is sooner; of the most urgent request in it
  TimePoint deadline = kNever;  // of the last: waiting longer is in vain
  TraceHandle trace{};          // of a lone request
  // Others run beside it: what counts is how many are answered a second, not how soon this one is.
  bool in_company = false;
};

struct OutputTensor {
  Shape shape{};
  std::span<const std::byte> data{};  // DType::bytes as in InputTensor
};

struct TensorResult {
  std::vector<OutputTensor> outputs{};  // in the order of ModelDescription::outputs
  // Outputs are valid while a copy of this lives. It may hold a piece of the model: let go of it
  // before the model.
  std::shared_ptr<const void> owner{};
  std::int64_t input_ns = 0;  // copying in, computing, taking out
  std::int64_t infer_ns = 0;
  std::int64_t output_ns = 0;
};

// Called exactly once. Must not block or compute: it runs on a thread of the backend.
using TensorDone = std::move_only_function<void(Result<TensorResult>)>;

class TensorModel {
 public:
  virtual ~TensorModel() = default;
  // Starts an execution and returns; `on_done` may come before it does. Errors: invalid_argument
  // where the values or dynamic shapes are what the model cannot compute, cancelled after a stop
  // (where it can be ended on its way; else the result comes as if nothing was), internal
  // otherwise. Thread-safe. Never waits for another execution.
  virtual void infer(TensorBatch batch, TensorDone on_done) = 0;
  // How many executions are worth having under way at once; further ones wait in the runtime.
  virtual int max_concurrency() const = 0;
  // Further executions of one request each that it runs side by side when told (in_company), each
  // slower than alone, but more a second; 0: it has no such way.
  virtual int max_in_company() const { return 0; }
  // True where an execution of so many input bytes is expected to be over, on the caller's thread,
  // sooner than another thread could be woken for it: there is nothing to gain by queueing it.
  virtual bool is_instant(std::size_t input_bytes) const {
    (void)input_bytes;
    return false;
  }
};

}  // namespace millrace
