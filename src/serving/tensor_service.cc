#include "serving/tensor_service.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

// What a reply carries to the worker. Declared so that the outputs go first, then the permit, then
// the model they came from.
struct Delivery {
  ModelHandle model;
  Admission::Permit permit;
  TensorReply reply;
  Result<TensorAnswer> answer{};

  void run() {
    // The place is free before the client can see its answer.
    permit = {};
    std::exchange(reply, nullptr)(std::move(answer));
  }
};

// The delivery of the request that this thread is submitting right now.
thread_local const Delivery* submitting = nullptr;

}  // namespace

Result<ModelHandle> TensorService::find_model(std::string_view name,
                                              std::string_view version) const {
  auto model = store_.find(name);
  if (!model) return model;
  if (!(*model)->batcher()) {
    return invalid("This model does not take tensors.", "model", "model_not_supported");
  }
  if (!version.empty() && version != (*model)->version()) {
    return fail(
        ErrorKind::not_found,
        fmt::format("The model has no such version; version {} serves.", (*model)->version()),
        "version", "model_not_found");
  }
  return model;
}

Status TensorService::infer(TensorRequest request, TensorReply reply) {
  auto permit = admission_.admit(request.tenant);
  if (!permit) return pass(permit);
  return infer(std::move(request), std::move(reply), *std::move(permit));
}

Status TensorService::infer(TensorRequest request, TensorReply reply, Admission::Permit permit) {
  const ModelDescription& description = request.model->description();
  auto inputs = check_inputs(description, request.inputs);
  if (!inputs) return pass(inputs);
  BatchRequest work{.inputs = *std::move(inputs),
                    .owner = std::move(request.owner),
                    .alone = description.max_batch_size <= 1,
                    .priority = request.priority,
                    .arrival = request.arrival,
                    .deadline = request.deadline,
                    .stop = std::move(request.stop),
                    .trace = std::move(request.trace)};
  if (description.max_batch_size > 0) {
    const auto rows = num_rows(description, work.inputs);
    if (!rows) return std::unexpected(rows.error());
    work.num_rows = *rows;
  }
  const ModelHandle model = request.model;
  auto delivery =
      std::make_shared<Delivery>(std::move(request.model), std::move(permit), std::move(reply));
  const Delivery* asked = delivery.get();
  work.reply = [delivery = std::move(delivery), &workers = workers_](auto answer) mutable {
    delivery->answer = std::move(answer);
    // An instant execution is over before submit() returns, on the thread that asked.
    if (submitting == delivery.get()) return delivery->run();
    workers.post([delivery = std::move(delivery)] { delivery->run(); });
  };
  const Delivery* outer = std::exchange(submitting, asked);  // a reply may have submitted this one
  model->batcher()->submit(std::move(work));
  submitting = outer;
  return {};
}

}  // namespace millrace::serving
