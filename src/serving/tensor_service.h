// TensorService: requests to graph models: admission, checks, the model's batcher, and back onto a
// worker. Knows no wire format. Thread-safe; never blocks.
#pragma once

#include <string_view>

#include "base/worker_pool.h"
#include "serving/admission.h"
#include "serving/batcher.h"
#include "serving/model_store.h"
#include "serving/tensor_request.h"

namespace millrace::serving {

class TensorService {
 public:
  // Borrows all; they outlive the service and its requests.
  TensorService(ModelStore& store, Admission& admission, WorkerPool& workers)
      : store_(store), admission_(admission), workers_(workers) {}

  // The model of that name, if it takes tensors; `version` as in ModelStore::find.
  Result<ModelHandle> find_model(std::string_view name, std::string_view version = {}) const;

  // An error means that nothing runs and `reply` is not called; otherwise it is called once, on a
  // worker, before this returns, or where TensorRequest::light_answer_bytes says. The answer's
  // owner must be let go before the request's model.
  Status infer(TensorRequest request, TensorReply reply);
  // For a caller that was admitted already; the permit is given back before the reply.
  Status infer(TensorRequest request, TensorReply reply, Admission::Permit permit);

 private:
  ModelStore& store_;
  Admission& admission_;
  WorkerPool& workers_;
};

}  // namespace millrace::serving
