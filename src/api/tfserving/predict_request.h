// TensorFlow Serving's request bodies: rows ("instances") or columns ("inputs") of :predict, and
// the examples of :classify and :regress.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "net/http_types.h"
#include "serving/tensor_request.h"

namespace millrace::api {

enum class PredictForm : std::uint8_t { row, column };

struct PredictHead {
  PredictForm form = PredictForm::row;
  // Trailing dimensions of 1 that the client left out of its inputs; its answer is without them.
  int num_added_ones = 0;
};

// Both fill the request's inputs and owner from the body; its model is set, and becomes that of the
// signature which the body names. Errors name the key or the tensor.
Result<PredictHead> parse_predict(const net::HttpRequest& http, serving::TensorRequest& request);
Status parse_examples(const net::HttpRequest& http, serving::TensorRequest& request);

}  // namespace millrace::api
