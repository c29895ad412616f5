// TensorFlow Serving's Predict, and what its services say of models. Models other than SavedModels
// have one signature, which is called "serving_default".
#pragma once

#include <memory>

#include "api/context.h"
#include "api/grpc/call.h"
#include "api/grpc/message.h"
#include "tf_serving.pb.h"

namespace millrace::api {

void predict(const ApiContext& context, std::shared_ptr<Call> call, Message message);
Result<tensorflow::serving::GetModelMetadataResponse> get_tf_metadata(
    const ApiContext& context, const tensorflow::serving::GetModelMetadataRequest& request);
Result<tensorflow::serving::GetModelStatusResponse> get_tf_status(
    const ApiContext& context, const tensorflow::serving::GetModelStatusRequest& request);

}  // namespace millrace::api
