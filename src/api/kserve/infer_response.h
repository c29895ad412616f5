// The answer to …/infer: a JSON head, behind it the outputs that were asked for as binary data.
#pragma once

#include <vector>

#include "api/kserve/infer_request.h"
#include "base/result.h"
#include "net/http_types.h"
#include "serving/batcher.h"

namespace millrace::api {

// Every output asked for is one of the model's; else invalid_argument, naming it.
Status check_outputs(const ModelDescription& model, const InferHead& head);

// invalid_argument where an output cannot be put the way the client wants it.
Result<net::HttpResponse> format_infer(const serving::Model& model, const InferHead& head,
                                       const serving::TensorAnswer& answer);

}  // namespace millrace::api
