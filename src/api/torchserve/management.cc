#include "api/torchserve/management.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/kserve/repository.h"
#include "api/tensor_run.h"
#include "api/torchserve/torchserve_errors.h"
#include "net/request_target.h"

namespace millrace::api {
namespace {

// A parameter of the query; empty where there is none of that name, or it is broken.
std::string query_text(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    return net::percent_decode(pair.substr(equals + 1)).value_or("");
  }
  return {};
}

bool is_operator(const net::HttpRequest& http, net::Responder& respond) {
  if (http.header("origin").empty()) return true;
  respond.send(torchserve_error(invalid("Not to be asked from a web page.").error()));
  return false;
}

void send_status(net::Responder& respond, std::string_view text) {
  std::string body;
  JsonWriter(body).open_object().field("status", text).close_object();
  respond.send({.status = 200, .body = std::move(body)});
}

net::HttpResponse failed(Error error, const std::string& name) {
  error.message = fmt::format("model {}: {}", safe_name(name), error.message);
  return torchserve_error(error);
}

// Each model is one worker, to those who count them.
void write_description(JsonWriter& json, const serving::ModelStatus& status) {
  const bool serves = status.state == serving::ModelState::ready && status.model;
  json.open_object().field("modelName", status.name).field("modelVersion", status.version);
  json.field("modelUrl", status.name).field("runtime", status.backend);
  json.field("minWorkers", 1).field("maxWorkers", 1);
  json.field("batchSize", serves ? std::max(1, status.model->description().max_batch_size) : 1);
  json.field("maxBatchDelay", 0).field("loadedAtStartup", true);
  json.key("workers").open_array().open_object().field("id", "1");
  json.field("status", repository_state(status.state));
  if (status.state == serving::ModelState::failed) json.field("error", status.error.message);
  json.field("memoryUsage", serves ? status.model->description().weight_bytes : 0);
  json.close_object().close_array();
  if (serves && status.model->batcher()) {
    json.key("jobQueueStatus").open_object();
    json.field("pendingRequests", status.model->batcher()->num_queued()).close_object();
  }
  json.close_object();
}

// The name of a model in the models folder, or why this is none.
Result<std::string> name_of_url(std::string_view url) {
  if (url.empty()) return invalid("the query must name a model: POST /models?url=NAME", "url");
  if (url.contains("://") || url.contains('/') || url.ends_with(".mar")) {
    return invalid(
        "models are not fetched and archives are not unpacked: put the model into the models "
        "folder and name it (url=NAME)",
        "url", "unsupported_parameter");
  }
  return std::string(url);
}

}  // namespace

void get_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                          std::shared_ptr<net::Responder> respond) {
  const std::string name = path_text(http, "model"), version = path_text(http, "version");
  std::string body;
  JsonWriter json(body);
  json.open_array();
  bool any = false, any_version = false;
  for (const serving::ModelStatus& status : context.store.list()) {
    if (status.name != name) continue;
    any = true;
    if (!version.empty() && version != "all" && status.version != version) continue;
    any_version = true;
    write_description(json, status);
  }
  json.close_array();
  if (any_version) return respond->send({.status = 200, .body = std::move(body)});
  respond->send(
      torchserve_error({.kind = ErrorKind::not_found,
                        .message = any ? fmt::format("model {} has no version {}", safe_name(name),
                                                     safe_name(version))
                                       : fmt::format("Model not found: {}", safe_name(name)),
                        .param = any ? "version" : "model",
                        .code = "model_not_found"}));
}

void post_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                           std::shared_ptr<net::Responder> respond) {
  if (!is_operator(http, *respond)) return;
  const auto name = name_of_url(query_text(http.query, "url"));
  if (!name) return respond->send(torchserve_error(name.error()));
  const Status begun = context.store.load(*name, [respond, name = *name](const Status& loaded) {
    if (!loaded) return respond->send(failed(loaded.error(), name));
    send_status(*respond, fmt::format("Model \"{}\" registered", name));
  });
  if (!begun) respond->send(failed(begun.error(), *name));
}

void delete_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                             std::shared_ptr<net::Responder> respond) {
  if (!is_operator(http, *respond)) return;
  const std::string name = path_text(http, "model");
  if (const Status done = context.store.unload(name); !done) {
    return respond->send(failed(done.error(), name));
  }
  send_status(*respond, fmt::format("Model \"{}\" unregistered", name));
}

void put_torchserve_model(const ApiContext& context, const net::HttpRequest& http,
                          std::shared_ptr<net::Responder> respond) {
  if (!is_operator(http, *respond)) return;
  const std::string name = path_text(http, "model");
  if (const auto model = context.store.find(name); !model) {
    return respond->send(failed(model.error(), name));
  }
  send_status(*respond, fmt::format("Model \"{}\" is as it was: there are no workers to scale, "
                                    "requests are merged into batches instead",
                                    name));
}

void put_torchserve_default(const ApiContext& context, const net::HttpRequest& http,
                            std::shared_ptr<net::Responder> respond) {
  if (!is_operator(http, *respond)) return;
  const std::string name = path_text(http, "model"), version = path_text(http, "version");
  const Status done = context.store.set_default(name, version);
  if (!done) return respond->send(failed(done.error(), name));
  send_status(*respond,
              fmt::format("Default version successfully updated for model \"{}\" to \"{}\"", name,
                          version));
}

}  // namespace millrace::api
