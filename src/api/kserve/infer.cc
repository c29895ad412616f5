#include "api/kserve/infer.h"

#include <fmt/format.h>

#include <atomic>
#include <stop_token>
#include <utility>

#include "api/errors.h"
#include "api/kserve/infer_request.h"
#include "api/kserve/infer_response.h"
#include "api/kserve/kserve_errors.h"
#include "api/tracing.h"

namespace millrace::api {
namespace {

// What an answer needs when it comes. The model is named last of what is held: it goes last.
struct Call {
  const serving::SharedMemory* shared;
  InferHead head;
  std::shared_ptr<net::Responder> respond;
  std::stop_source stop;
  TraceHandle trace;
  serving::ModelHandle model;
  std::atomic<bool> answered = false;
};

void deliver(Call& call, Result<serving::TensorAnswer> answer) {
  call.answered.store(true, std::memory_order_relaxed);
  const TimePoint began = call.trace ? Clock::now() : TimePoint{};
  if (!answer) {
    call.trace.finish();
    return call.respond->send(kserve_error(answer.error()));
  }
  auto response = format_infer(*call.model, call.head, *answer, call.shared);
  // The outputs' memory is the model's: given back before the client can ask again.
  answer = std::unexpected(Error{});
  if (call.trace) call.trace.span("format", began, Clock::now());
  call.trace.finish();
  if (response && call.trace) response->headers.emplace_back("x-trace-id", call.trace.id());
  call.respond->send(response ? *std::move(response) : kserve_error(response.error()));
}

constexpr std::size_t kInstantJsonBytes = std::size_t{4} << 10;  // parsed in microseconds

bool is_short_head_and_tensors(const net::HttpRequest& http) {
  const auto head = json_bytes(http);
  return head && *head <= kInstantJsonBytes && *head < http.body.size() &&
         http.body.size() <= kMostInPlaceBytes;
}

}  // namespace

Result<serving::ModelHandle> kserve_model(const ApiContext& context, const net::HttpRequest& http) {
  return kserve_model(context, http.path_params["model"], http.path_params["version"]);
}

Result<serving::ModelHandle> kserve_model(const ApiContext& context, std::string_view name,
                                          std::string_view version) {
  auto model = context.tensors.find_model(name, version);
  if (!model) {
    Error& error = model.error();
    error.message = fmt::format("model {}: {}", safe_name(name), error.message);
  }
  return model;
}

bool is_instant_infer(const ApiContext& context, const net::HttpRequest& http) {
  if (http.body.size() > kInstantJsonBytes) return is_short_head_and_tensors(http);
  const auto model =
      context.tensors.find_model(http.path_params["model"], http.path_params["version"]);
  return model && (*model)->batcher()->is_instant(http.body.size());
}

void post_infer(const ApiContext& context, net::HttpRequest& http,
                std::shared_ptr<net::Responder> respond) {
  const TimePoint began = Clock::now();
  auto model = kserve_model(context, http);
  if (!model) return respond->send(kserve_error(model.error()));
  const ModelDescription& description = (*model)->description();
  const TraceHandle trace =
      begin_trace(context, http, description.backend == "pipeline" ? "pipeline" : "tensor",
                  (*model)->name(), began);
  serving::TensorRequest request{.model = *model,
                                 .arrival = http.arrival,
                                 .deadline = http.arrival + context.options.sync_deadline};
  auto head = parse_infer(http, request, context.shared_memory);
  if (!head) return respond->send(kserve_error(head.error()));
  if (Status ok = check_outputs(description, *head); !ok) {
    return respond->send(kserve_error(ok.error()));
  }
  auto call = std::make_shared<Call>(context.shared_memory, *std::move(head), respond,
                                     std::stop_source(), trace, *model);
  request.stop = call->stop.get_token();
  request.trace = trace;
  request.light_answer_bytes = light_answer_bytes(call->head);
  if (trace) trace.span("post_infer", began, Clock::now());
  const Status started = context.tensors.infer(
      std::move(request),
      [call](Result<serving::TensorAnswer> answer) { deliver(*call, std::move(answer)); });
  if (!started) return respond->send(kserve_error(started.error()));
  if (call->answered.load(std::memory_order_relaxed)) return;  // at once: nothing is left to stop
  respond->on_disconnect([stop = call->stop]() mutable { stop.request_stop(); });
}

}  // namespace millrace::api
