// TensorFlow Serving's answers: predictions by row, outputs by column, and the results of :classify
// and :regress.
#pragma once

#include "api/tfserving/predict_request.h"
#include "base/result.h"
#include "net/http_types.h"
#include "serving/batcher.h"

namespace millrace::api {

// invalid_argument where the outputs cannot be put that way: half precision, or outputs without a
// common axis 0 by row.
Result<net::HttpResponse> format_predict(const ModelDescription& model, const PredictHead& head,
                                         const serving::TensorAnswer& answer);
// One number a row from the model's only output.
Result<net::HttpResponse> format_regress(const ModelDescription& model,
                                         const serving::TensorAnswer& answer);
// Pairs of label and score a row: scores from the only output of floats, labels from one of strings
// ("" where there is none).
Result<net::HttpResponse> format_classify(const ModelDescription& model,
                                          const serving::TensorAnswer& answer);

}  // namespace millrace::api
