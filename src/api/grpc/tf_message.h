// TensorFlow's tensors to serving's and back.
#pragma once

#include <memory>

#include "api/kserve/infer_request.h"
#include "base/result.h"
#include "serving/batcher.h"
#include "serving/tensor_request.h"
#include "tf_serving.pb.h"

namespace millrace::api {

// Fills the request's inputs and owner (the message). A tensor is `tensor_content`, or values of
// its type's field: as many as the shape says, or fewer, then the last stands for the rest, or
// none, then all are zero. Errors name the input.
Result<InferHead> read_predict(std::shared_ptr<const tensorflow::serving::PredictRequest> message,
                               serving::TensorRequest& request);

// With values, not `tensor_content`, as TensorFlow Serving answers.
Result<tensorflow::serving::PredictResponse> write_predict(const serving::Model& model,
                                                           const InferHead& head,
                                                           const serving::TensorAnswer& answer);

tensorflow::DataType tf_type(DType dtype);
// Name, type and shape of an input or output.
tensorflow::TensorInfo tf_info(const TensorSpec& spec);

}  // namespace millrace::api
