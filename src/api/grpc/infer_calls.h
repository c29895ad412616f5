// ModelInfer and ModelStreamInfer.
#pragma once

#include <memory>

#include "api/context.h"
#include "api/grpc/call.h"
#include "api/grpc/message.h"

namespace millrace::api {

void model_infer(const ApiContext& context, std::shared_ptr<Call> call, Message message);
// One message of the stream. Answers go out in the order in which they are ready, each with its
// request's id. What is wrong with one request is said in its answer; the stream goes on.
void model_stream_infer(const ApiContext& context, std::shared_ptr<Call> call, Message message);

// When a request must be over: the client's deadline, or the server's own.
TimePoint tensor_deadline(const ApiContext& context, const Call& call, TimePoint arrival);

}  // namespace millrace::api
