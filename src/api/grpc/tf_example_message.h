// Messages of TensorFlow Serving that carry examples, and results of them. Examples stay bytes:
// api/tfserving/examples.h reads them.
#pragma once

#include <string_view>
#include <vector>

#include "api/tfserving/examples.h"
#include "api/tfserving/results.h"
#include "base/result.h"
#include "tf_serving.pb.h"

namespace millrace::api {

struct ExampleRequest {
  std::vector<std::string_view> heads{};  // field 1: a model_spec, or tasks; serialised
  SerialisedExamples input{};
};

// ClassificationRequest, RegressionRequest or MultiInferenceRequest. Views of the bytes.
// invalid_argument where they are none, or the input is empty.
Result<ExampleRequest> read_example_request(std::string_view bytes);

void write_classes(const ScoredClasses& classes, tensorflow::serving::ClassificationResult& out);
void write_regressions(const Regressions& numbers, tensorflow::serving::RegressionResult& out);

}  // namespace millrace::api
