#include "api/admin/health.h"

#include <algorithm>
#include <string>
#include <utility>

#include "api/json_writer.h"

namespace millrace::api {
namespace {

void send_status(net::Responder& respond, int status, const char* word) {
  std::string body;
  JsonWriter(body).open_object().field("status", word).close_object();
  net::HttpResponse response{.status = status, .body = std::move(body)};
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  respond.send(std::move(response));
}

bool makes_progress(const serving::ModelStatus& status) {
  if (!status.model || !status.model->generator()) return true;
  const GeneratorStats stats = status.model->generator()->stats();
  const bool has_work = stats.num_running > 0 || stats.num_waiting > 0;
  return !has_work || stats.last_step_age_seconds < kMaxStepAgeSeconds;
}

}  // namespace

bool is_live(const ApiContext& context) {
  return std::ranges::all_of(context.store.list(), makes_progress);
}

bool is_ready(const ApiContext& context) {
  return !context.admission.closed() && context.store.ready();
}

void get_live(const ApiContext& context, const net::HttpRequest&,
              std::shared_ptr<net::Responder> respond) {
  const bool live = is_live(context);
  send_status(*respond, live ? 200 : 503, live ? "live" : "stuck");
}

void get_ready(const ApiContext& context, const net::HttpRequest&,
               std::shared_ptr<net::Responder> respond) {
  const bool ready = is_ready(context);
  send_status(*respond, ready ? 200 : 503, ready ? "ready" : "not ready");
}

void get_version(const ApiContext& context, const net::HttpRequest&,
                 std::shared_ptr<net::Responder> respond) {
  std::string body;
  JsonWriter(body).open_object().field("version", context.options.version).close_object();
  respond->send({.status = 200, .body = std::move(body)});
}

void get_metrics(const ApiContext& context, const net::HttpRequest&,
                 std::shared_ptr<net::Responder> respond) {
  context.store.refresh_metrics();
  respond->send({.status = 200,
                 .content_type = "text/plain; version=0.0.4; charset=utf-8",
                 .body = context.metrics.expose()});
}

void get_model_states(const ApiContext& context, const net::HttpRequest&,
                      std::shared_ptr<net::Responder> respond) {
  std::string body;
  JsonWriter json(body);
  json.open_object().key("models").open_array();
  for (const serving::ModelStatus& status : context.store.list()) {
    json.open_object().field("name", status.name).field("version", status.version);
    json.field("backend", status.backend).field("state", to_string(status.state));
    json.field("modelName", status.name).field("modelUrl", status.name);  // as TorchServe has it
    json.field("progress", status.progress).field("stage", status.stage);
    json.field("default", status.is_default);
    if (!status.labels.empty()) {
      json.key("labels").open_array();
      for (const std::string& label : status.labels) json.string(label);
      json.close_array();
    }
    if (!status.error.message.empty()) json.field("error", status.error.message);
    if (status.model) {
      const ModelDescription& d = status.model->description();
      json.field("family", d.family).field("weights", d.weights).field("kernels", d.kernels);
      json.field("weight_bytes", d.weight_bytes).field("kv_cache_bytes", d.kv_cache_bytes);
      json.field("max_model_len", d.max_model_len).field("max_num_seqs", d.max_num_seqs);
    }
    json.close_object();
  }
  json.close_array();
  json.field("memory_limit_bytes", context.store.memory().limit());
  json.field("memory_used_bytes", context.store.memory().used());
  json.close_object();
  respond->send({.status = 200, .body = std::move(body)});
}

}  // namespace millrace::api
