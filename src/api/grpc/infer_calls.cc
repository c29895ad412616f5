#include "api/grpc/infer_calls.h"

#include <algorithm>
#include <utility>

#include "api/grpc/infer_message.h"
#include "api/kserve/infer.h"
#include "api/kserve/infer_response.h"

namespace millrace::api {
namespace {

// What an answer needs when it comes. The model is named last: it goes last.
struct Pending {
  const serving::SharedMemory* shared;
  Framing framing;
  std::shared_ptr<Call> call;
  std::string model_name, id;
  InferHead head;
  serving::ModelHandle model;

  void refuse(const Error& error) const {
    if (framing == Framing::unary) return call->fail(error);
    call->send(write_stream_error(model_name, id, error));
    call->settle();
  }
  void deliver(Result<serving::TensorAnswer> answer) const {
    if (!answer) return refuse(answer.error());
    auto bytes = write_infer(*model, head, *answer, shared, framing);
    // The outputs' memory is the model's: given back before the client can ask again.
    answer = std::unexpected(Error{});
    if (!bytes) return refuse(bytes.error());
    if (framing == Framing::unary) return call->answer(*std::move(bytes));
    call->send(*std::move(bytes));
    call->settle();
  }
};

Status start(const ApiContext& context, const std::shared_ptr<Pending>& pending,
             std::shared_ptr<const InferWire> wire) {
  const TimePoint arrival = wire->message.arrival;
  auto model = kserve_model(context, wire->head.model_name(), wire->head.model_version());
  if (!model) return pass(model);
  serving::TensorRequest request{.model = *model,
                                 .arrival = arrival,
                                 .deadline = tensor_deadline(context, *pending->call, arrival),
                                 .stop = pending->call->stop()};
  auto head = read_infer(std::move(wire), request, context.shared_memory);
  if (!head) return pass(head);
  if (Status ok = check_outputs((*model)->description(), *head); !ok) return ok;
  pending->head = *std::move(head);
  request.light_answer_bytes = light_answer_bytes(pending->head);
  pending->model = *std::move(model);
  return context.tensors.infer(std::move(request), [pending](Result<serving::TensorAnswer> answer) {
    pending->deliver(std::move(answer));
  });
}

void infer(const ApiContext& context, std::shared_ptr<Call> call, Message message,
           Framing framing) {
  auto pending = std::make_shared<Pending>(context.shared_memory, framing, std::move(call));
  auto wire = std::make_shared<InferWire>(std::move(message));
  if (Status ok = parse_infer(*wire); !ok) return pending->refuse(ok.error());
  pending->model_name = wire->head.model_name();
  pending->id = wire->head.id();
  if (Status started = start(context, pending, std::move(wire)); !started) {
    pending->refuse(started.error());
  }
}

}  // namespace

TimePoint tensor_deadline(const ApiContext& context, const Call& call, TimePoint arrival) {
  return std::min(arrival + context.options.sync_deadline, call.deadline());
}

void model_infer(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  infer(context, std::move(call), std::move(message), Framing::unary);
}

void model_stream_infer(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  infer(context, std::move(call), std::move(message), Framing::stream);
}

}  // namespace millrace::api
