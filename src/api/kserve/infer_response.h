// The answer to …/infer: a JSON head, behind it the outputs that were asked for as binary data.
#pragma once

#include <cstddef>
#include <forward_list>
#include <span>
#include <string>
#include <vector>

#include "api/kserve/classification.h"
#include "api/kserve/infer_request.h"
#include "base/result.h"
#include "net/http_types.h"
#include "serving/batcher.h"

namespace millrace::api {

// Every output asked for is one of the model's; else invalid_argument, naming it.
Status check_outputs(const ModelDescription& model, const InferHead& head);

// TensorRequest::light_answer_bytes: of answers that are nothing but copied.
std::size_t light_answer_bytes(const InferHead& head);

// One output as it goes out, on any wire.
struct ShownOutput {
  const std::string* name;
  DType dtype;
  Shape shape;
  std::span<const std::byte> data;  // empty where it was put into shared memory
  bool binary;
  const serving::SharedPiece* shared = nullptr;  // where it was put
  std::size_t byte_size = 0;                     // of the whole, wherever it is
};

// The outputs that were asked for, or all: classes in place of tensors, and what belongs into
// shared memory written there. Views of the answer, the head, the model and `storage`.
Result<std::vector<ShownOutput>> choose_outputs(const serving::Model& model, const InferHead& head,
                                                const serving::TensorAnswer& answer,
                                                const serving::SharedMemory* shared,
                                                std::forward_list<Classes>& storage);

// invalid_argument where an output cannot be put the way the client wants it.
Result<net::HttpResponse> format_infer(const serving::Model& model, const InferHead& head,
                                       const serving::TensorAnswer& answer,
                                       const serving::SharedMemory* shared = nullptr);

}  // namespace millrace::api
