#include "serving/tensor_service.h"

#include <algorithm>
#include <memory>
#include <optional>
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
  WorkerPool& workers;
  Result<TensorAnswer> answer{};

  void run() {
    // The place is free before the client can see its answer.
    permit = {};
    std::exchange(reply, nullptr)(std::move(answer));
  }
};

bool is_light(const Result<TensorAnswer>& answer, std::size_t most_bytes) {
  if (!answer || answer->num_requests > 1) return false;
  std::size_t bytes = 0;
  for (const OutputTensor& output : answer->outputs) bytes += output.data.size();
  return bytes <= most_bytes;
}

// The delivery of the request that this thread is submitting right now.
thread_local const Delivery* submitting = nullptr;

// Which sequence it is has to be said exactly where the model keeps state.
Status check_sequence(const Model& model, const std::optional<SequenceStep>& step) {
  if (step.has_value() == (model.sequences() != nullptr)) return {};
  if (step) {
    return invalid("sequences are not served: the model keeps no state", "sequence_id",
                   "unsupported_parameter");
  }
  return invalid(
      "the model keeps state: a request must name its sequence with sequence_id, and begin it with "
      "sequence_start",
      "sequence_id");
}

// The level of the request, and how long it may wait there.
void apply_queue_settings(const BatchSettings& settings, BatchRequest& work) {
  if (settings.priority_levels > 0) {
    const bool names_one =
        work.priority != kDefaultPriority && work.priority <= settings.priority_levels;
    const int middle = (settings.priority_levels + 1) / 2;
    if (!names_one) {
      work.priority = settings.default_priority > 0 ? settings.default_priority : middle;
    }
  }
  const auto own = std::ranges::find(settings.queue_of, work.priority,
                                     [](const auto& level) { return level.first; });
  const QueueSettings& queue = own == settings.queue_of.end() ? settings.queue : own->second;
  if (queue.default_timeout.count() <= 0) return;
  const TimePoint late = work.arrival + queue.default_timeout;
  if (queue.late_is_delayed) {
    work.demote_at = late;
  } else {
    work.deadline = std::min(work.deadline, late);
  }
}

}  // namespace

Result<ModelHandle> TensorService::find_model(std::string_view name,
                                              std::string_view version) const {
  auto model = store_.find(name, version);
  if (!model) return model;
  if (!(*model)->batcher()) {
    return invalid("This model does not take tensors.", "model", "model_not_supported");
  }
  return model;
}

Status TensorService::infer(TensorRequest request, TensorReply reply) {
  auto permit = admission_.admit(request.tenant);
  if (!permit) return pass(permit);
  return infer(std::move(request), std::move(reply), *std::move(permit));
}

Status TensorService::infer(TensorRequest request, TensorReply reply, Admission::Permit permit) {
  if (Status fits = check_sequence(*request.model, request.sequence); !fits) return fits;
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
  apply_queue_settings(request.model->found().graph.batch, work);
  if (description.max_batch_size > 0) {
    const auto rows = num_rows(description, work.inputs);
    if (!rows) return std::unexpected(rows.error());
    work.num_rows = *rows;
  }
  const ModelHandle model = request.model;
  SequenceRoom* const sequences = model->sequences();
  if (sequences && work.num_rows != 1) {
    return invalid("a request of a sequence is one row", model->description().inputs.front().name);
  }
  model->to_graph(work.inputs);
  auto delivery = std::make_shared<Delivery>(std::move(request.model), std::move(permit),
                                             std::move(reply), workers_);
  const Delivery* asked = delivery.get();
  work.reply = [delivery = std::move(delivery),
                most_bytes = request.light_answer_bytes](auto answer) mutable {
    if (answer) delivery->model->to_client(answer->outputs);
    const bool light = most_bytes > 0 && is_light(answer, most_bytes);
    delivery->answer = std::move(answer);
    // An instant execution is over before submit() returns, on the thread that asked.
    if (light || submitting == delivery.get()) return delivery->run();
    WorkerPool& workers = delivery->workers;
    workers.post([delivery = std::move(delivery)] { delivery->run(); });
  };
  if (sequences) return sequences->submit(*request.sequence, work, workers_);
  const Delivery* outer = std::exchange(submitting, asked);  // a reply may have submitted this one
  model->batcher()->submit(std::move(work));
  submitting = outer;
  return {};
}

}  // namespace millrace::serving
