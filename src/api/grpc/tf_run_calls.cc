#include "api/grpc/tf_run_calls.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "api/grpc/infer_calls.h"
#include "api/kserve/infer.h"

namespace millrace::api {
namespace {

namespace tfs = tensorflow::serving;

// What an answer needs when it comes. The model is named last: it goes last.
struct Pending {
  std::shared_ptr<Call> call;
  TfWrite write;
  serving::ModelHandle model;

  void deliver(Result<serving::TensorAnswer> answer) const {
    if (!answer) return call->fail(answer.error());
    auto response = write(*model, *answer);
    // The outputs' memory is the model's: given back before the client can ask again.
    answer = std::unexpected(Error{});
    if (!response) return call->fail(response.error());
    call->answer(*std::move(response));
  }
};

}  // namespace

Result<serving::ModelHandle> find_tf_model(const ApiContext& context, const tfs::ModelSpec& spec) {
  std::string version;
  if (spec.version_choice_case() == tfs::ModelSpec::kVersionLabel) {
    const auto labelled = context.store.find_label(spec.name(), spec.version_label());
    if (!labelled) return labelled;
    version = (*labelled)->version();
  } else if (spec.has_version()) {
    version = fmt::format("{}", spec.version().value());
  }
  return kserve_model(context, spec.name(), version);
}

Result<serving::ModelHandle> find_tf_signature(const ApiContext& context,
                                               const tfs::ModelSpec& spec) {
  auto model = find_tf_model(context, spec);
  if (!model) return model;
  return serving::find_signature(*model, spec.signature_name());
}

std::int64_t version_number(std::string_view version) {
  std::int64_t number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  return number;
}

void describe_tf_model(const serving::Model& model, tfs::ModelSpec& spec) {
  spec.set_name(model.name());
  spec.mutable_version()->set_value(version_number(model.version()));
}

void describe_tf_signature(const serving::Model& model, tfs::ModelSpec& spec) {
  describe_tf_model(model, spec);
  spec.set_signature_name(std::string(model.signature()));
}

serving::TensorRequest tf_request(const ApiContext& context, const Call& call, TimePoint arrival,
                                  serving::ModelHandle model) {
  return {.model = std::move(model),
          .arrival = arrival,
          .deadline = tensor_deadline(context, call, arrival),
          .stop = call.stop()};
}

Status run_tf(const ApiContext& context, std::shared_ptr<Call> call, serving::TensorRequest request,
              TfWrite write) {
  auto pending = std::make_shared<Pending>(std::move(call), std::move(write), request.model);
  return context.tensors.infer(std::move(request), [pending](Result<serving::TensorAnswer> answer) {
    pending->deliver(std::move(answer));
  });
}

}  // namespace millrace::api
