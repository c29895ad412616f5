// inference.ModelInferRequest as it came: its raw tensors stay where they lie in the message.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "api/grpc/message.h"
#include "base/result.h"
#include "kserve.pb.h"

namespace millrace::api {

struct InferWire {
  explicit InferWire(Message bytes) : message(std::move(bytes)) {}
  InferWire(const InferWire&) = delete;  // raw looks at message

  Message message;
  inference::ModelInferRequest head;  // all fields but raw_input_contents
  std::vector<std::string_view> raw;  // raw_input_contents
};

// From the message to the other two. too_large where that would take too much memory.
Status parse_infer(InferWire& wire);

}  // namespace millrace::api
