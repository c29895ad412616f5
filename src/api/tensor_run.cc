#include "api/tensor_run.h"

#include <fmt/format.h>

#include <stop_token>
#include <utility>

#include "api/errors.h"

namespace millrace::api {
namespace {

// What an answer needs when it comes. The model is named last: it goes last.
struct Call {
  TensorDialect dialect;
  std::shared_ptr<net::Responder> respond;
  std::stop_source stop;
  serving::ModelHandle model;
};

void deliver(const Call& call, Result<serving::TensorAnswer> answer) {
  if (!answer) return call.respond->send(call.dialect.error(answer.error()));
  auto response = call.dialect.format(*call.model, *answer);
  // The outputs' memory is the model's: given back before the client can ask again.
  answer = std::unexpected(Error{});
  call.respond->send(response ? *std::move(response) : call.dialect.error(response.error()));
}

Result<serving::ModelHandle> find_version(const ApiContext& context, const net::HttpRequest& http,
                                          const std::string& name) {
  const std::string label = path_text(http, "label");
  if (label.empty()) return context.tensors.find_model(name, path_text(http, "version"));
  auto model = context.store.find_label(name, label);
  if (!model) return model;
  return context.tensors.find_model(name, (*model)->version());  // one that takes tensors
}

}  // namespace

std::string path_text(const net::HttpRequest& http, std::string_view name) {
  return std::string(http.path_params[name]);
}

Result<serving::ModelHandle> find_tensor_model(const ApiContext& context,
                                               const net::HttpRequest& http) {
  const std::string name = path_text(http, "model");
  auto model = find_version(context, http, name);
  if (!model) {
    Error& error = model.error();
    error.message = fmt::format("model {}: {}", safe_name(name), error.message);
  }
  return model;
}

serving::TensorRequest tensor_request(const ApiContext& context, const net::HttpRequest& http,
                                      serving::ModelHandle model) {
  return {.model = std::move(model),
          .arrival = http.arrival,
          .deadline = http.arrival + context.options.sync_deadline};
}

void run_tensors(const ApiContext& context, serving::TensorRequest request,
                 std::shared_ptr<net::Responder> respond, TensorDialect dialect) {
  auto call =
      std::make_shared<Call>(std::move(dialect), respond, std::stop_source(), request.model);
  request.stop = call->stop.get_token();
  const Status started = context.tensors.infer(
      std::move(request),
      [call](Result<serving::TensorAnswer> answer) { deliver(*call, std::move(answer)); });
  if (!started) return respond->send(call->dialect.error(started.error()));
  respond->on_disconnect([stop = call->stop]() mutable { stop.request_stop(); });
}

Status check_body_encoding(const net::HttpRequest& http) {
  const std::string_view encoding = http.header("content-encoding");
  if (encoding.empty() || encoding == "identity") return {};
  return invalid("Compressed request bodies are not accepted.", {}, "unsupported_media_type");
}

}  // namespace millrace::api
