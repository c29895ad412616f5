#include "api/grpc/tf_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "api/grpc/tf_message.h"
#include "api/grpc/tf_run_calls.h"
#include "api/kserve/infer_response.h"
#include "api/tfserving/examples.h"
#include "api/tfserving/request_inputs.h"

namespace millrace::api {
namespace {

namespace tfs = tensorflow::serving;

constexpr const char* kPredictMethod = "tensorflow/serving/predict";
constexpr const char* kMetadataField = "signature_def";

Status start(const ApiContext& context, const std::shared_ptr<Call>& call,
             std::shared_ptr<const tfs::PredictRequest> message, TimePoint arrival) {
  auto model = find_tf_signature(context, message->model_spec());
  if (!model) return pass(model);
  serving::TensorRequest request = tf_request(context, *call, arrival, *model);
  auto head = read_predict(std::move(message), request);
  if (!head) return pass(head);
  if (Status ok = expand_examples(request); !ok) return ok;
  if (Status ok = check_outputs((*model)->description(), *head); !ok) return ok;
  return run_tf(
      context, call, std::move(request),
      [head = *std::move(head)](const serving::Model& served,
                                const serving::TensorAnswer& answer) -> Result<std::string> {
        auto response = write_predict(served, head, answer);
        if (!response) return pass(response);
        describe_tf_signature(served, *response->mutable_model_spec());
        return response->SerializeAsString();
      });
}

tensorflow::SignatureDef signature_of(const serving::Model& model) {
  const ModelDescription& d = model.description();
  tensorflow::SignatureDef signature;
  for (const TensorSpec& spec : tf_inputs(d))
    (*signature.mutable_inputs())[spec.name] = tf_info(spec);
  for (const TensorSpec& spec : d.outputs) {
    (*signature.mutable_outputs())[spec.name] = tf_info(spec);
  }
  signature.set_method_name(d.signature_method.empty() ? kPredictMethod : d.signature_method);
  return signature;
}

tfs::ModelVersionStatus::State state_of(serving::ModelState state) {
  switch (state) {
    case serving::ModelState::waiting:
      return tfs::ModelVersionStatus::START;
    case serving::ModelState::loading:
      return tfs::ModelVersionStatus::LOADING;
    case serving::ModelState::ready:
      return tfs::ModelVersionStatus::AVAILABLE;
    case serving::ModelState::unloading:
      return tfs::ModelVersionStatus::UNLOADING;
    case serving::ModelState::failed:
    case serving::ModelState::unloaded:
      break;
  }
  return tfs::ModelVersionStatus::END;
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

void predict(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  auto request = std::make_shared<tfs::PredictRequest>();
  if (Status ok = message.check_size(kPredictShape); !ok) return call->fail(ok.error());
  if (Status ok = message.parse(*request); !ok) return call->fail(ok.error());
  const TimePoint arrival = message.arrival;
  message = {};
  if (Status started = start(context, call, std::move(request), arrival); !started) {
    call->fail(started.error());
  }
}

Result<tfs::GetModelMetadataResponse> get_tf_metadata(const ApiContext& context,
                                                      const tfs::GetModelMetadataRequest& request) {
  const auto& fields = request.metadata_field();
  const auto is_known = [](const std::string& field) { return field == kMetadataField; };
  if (fields.empty() || !std::ranges::all_of(fields, is_known)) {
    return invalid("'metadata_field' must be \"signature_def\"", "metadata_field");
  }
  auto model = find_tf_model(context, request.model_spec());
  if (!model) return pass(model);
  tfs::SignatureDefMap signatures;
  auto& all = *signatures.mutable_signature_def();
  all[std::string((*model)->signature())] = signature_of(**model);
  for (const auto& other : (*model)->signatures()) {
    all[std::string(other->signature())] = signature_of(*other);
  }
  tfs::GetModelMetadataResponse response;
  describe_tf_model(**model, *response.mutable_model_spec());
  auto& any = (*response.mutable_metadata())[kMetadataField];
  any.set_type_url("type.googleapis.com/tensorflow.serving.SignatureDefMap");
  any.set_value(signatures.SerializeAsString());
  return response;
}

Result<tfs::GetModelStatusResponse> get_tf_status(const ApiContext& context,
                                                  const tfs::GetModelStatusRequest& request) {
  const tfs::ModelSpec& spec = request.model_spec();
  tfs::GetModelStatusResponse response;
  for (const serving::ModelStatus& status : context.store.list()) {
    const std::int64_t version = version_number(status.version);
    if (!same_name(status.name, spec.name())) continue;
    if (spec.has_version() && spec.version().value() != version) continue;
    const bool is_labelled = spec.version_choice_case() == tfs::ModelSpec::kVersionLabel;
    if (is_labelled &&
        std::ranges::find(status.labels, spec.version_label()) == status.labels.end())
      continue;
    auto& out = *response.add_model_version_status();
    out.set_version(version);
    out.set_state(state_of(status.state));
    const bool failed = status.state == serving::ModelState::failed;
    out.mutable_status()->set_error_code(failed ? grpc_code(status.error) : 0);
    out.mutable_status()->set_error_message(status.error.message);
  }
  if (response.model_version_status_size() > 0) return response;
  return fail(
      ErrorKind::not_found,
      fmt::format("model {}: there is no such model, or not that version", safe_name(spec.name())),
      "model_spec", "model_not_found");
}

}  // namespace millrace::api
