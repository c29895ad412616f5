// inference.ModelInferRequest to a request of serving's, and the answer to bytes.
#pragma once

#include <memory>
#include <string>

#include "api/grpc/infer_wire.h"
#include "api/kserve/infer_request.h"
#include "base/result.h"
#include "kserve.pb.h"
#include "serving/batcher.h"
#include "serving/model_store.h"
#include "serving/shared_memory.h"
#include "serving/tensor_request.h"

namespace millrace::api {

// Fills the request's inputs, owner (the message), priority and deadline. Tensors stay where they
// lie in the message; typed contents are converted where memory has them in another width. Errors
// name the tensor.
Result<InferHead> read_infer(std::shared_ptr<const InferWire> wire, serving::TensorRequest& request,
                             const serving::SharedMemory* shared);

// A serialised ModelInferResponse, or the ModelStreamInferResponse around it. Tensors are copied
// once, into it.
enum class Framing { unary, stream };
Result<std::string> write_infer(const serving::Model& model, const InferHead& head,
                                const serving::TensorAnswer& answer,
                                const serving::SharedMemory* shared, Framing framing);

// A serialised ModelStreamInferResponse that says what went wrong with one request of a stream.
std::string write_stream_error(const std::string& model_name, const std::string& id,
                               const Error& error);

}  // namespace millrace::api
