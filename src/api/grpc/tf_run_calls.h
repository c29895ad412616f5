// What TensorFlow Serving's inference methods share: finding what a ModelSpec names, and running a
// request to its answer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/context.h"
#include "api/grpc/call.h"
#include "tf_serving.pb.h"

namespace millrace::api {

// The model of that name and version, or label.
Result<serving::ModelHandle> find_tf_model(const ApiContext& context,
                                           const tensorflow::serving::ModelSpec& spec);
// The same under the signature that it names.
Result<serving::ModelHandle> find_tf_signature(const ApiContext& context,
                                               const tensorflow::serving::ModelSpec& spec);
// Name and version, as answers say them; of a signature also its name.
void describe_tf_model(const serving::Model& model, tensorflow::serving::ModelSpec& spec);
void describe_tf_signature(const serving::Model& model, tensorflow::serving::ModelSpec& spec);

std::int64_t version_number(std::string_view version);

// A request to `model` with this call's deadline and stop, and no inputs yet.
serving::TensorRequest tf_request(const ApiContext& context, const Call& call, TimePoint arrival,
                                  serving::ModelHandle model);

// The response, serialised.
using TfWrite =
    std::function<Result<std::string>(const serving::Model&, const serving::TensorAnswer&)>;

// Runs it and answers the call. An error means that nothing runs.
Status run_tf(const ApiContext& context, std::shared_ptr<Call> call, serving::TensorRequest request,
              TfWrite write);

}  // namespace millrace::api
