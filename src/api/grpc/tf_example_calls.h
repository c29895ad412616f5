// TensorFlow Serving's methods that take examples: Classify, Regress and MultiInference. Labels of
// classes are "" where the model names none.
#pragma once

#include <memory>

#include "api/context.h"
#include "api/grpc/call.h"
#include "api/grpc/message.h"

namespace millrace::api {

void classify(const ApiContext& context, std::shared_ptr<Call> call, Message message);
void regress(const ApiContext& context, std::shared_ptr<Call> call, Message message);
// Each task runs on its own; the first that fails is the answer.
void multi_inference(const ApiContext& context, std::shared_ptr<Call> call, Message message);

}  // namespace millrace::api
