// POST …/infer as it comes over HTTP: a JSON head, and behind it the binary tensors it speaks of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http_types.h"
#include "serving/tensor_request.h"

namespace millrace::api {

// An output the client asks for by name.
struct WantedOutput {
  std::string name{};
  bool binary = false;
  std::int64_t classification = 0;  // 0: the tensor itself
};

struct InferHead {
  std::string id{};
  std::vector<WantedOutput> outputs{};  // empty: all
  bool all_binary = false;              // where a wanted output does not say, or none is named
};

// Fills the request's inputs, owner, priority and deadline; takes the body. Errors name the field
// or the tensor. Names, shapes and sizes are compared with the model later (serving/tensor_checks).
Result<InferHead> parse_infer(net::HttpRequest& http, serving::TensorRequest& request);

}  // namespace millrace::api
