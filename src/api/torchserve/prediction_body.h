// The bodies that POST /predictions/{model} takes, and the answer to one.
#pragma once

#include "base/result.h"
#include "net/http_types.h"
#include "serving/batcher.h"
#include "serving/tensor_request.h"

namespace millrace::api {

struct PredictionHead {
  bool one_row = false;    // the client sent one row without axis 0, and gets one back
  int num_added_ones = 0;  // trailing dimensions of 1 that the client left out
};

// Fills the request's inputs and owner; its model is set. Takes the body. A model whose only input
// is one string gets any body but JSON as that string. Errors name the key or the tensor.
Result<PredictionHead> parse_prediction(net::HttpRequest& http, serving::TensorRequest& request);

// The bare result: nested arrays, or an object of them where the model has several outputs.
Result<net::HttpResponse> format_prediction(const ModelDescription& model,
                                            const PredictionHead& head,
                                            const serving::TensorAnswer& answer);

}  // namespace millrace::api
