#include "api/openai/models.h"

#include <fmt/format.h>

#include <utility>

#include "api/errors.h"
#include "api/json_writer.h"

namespace millrace::api {
namespace {

// Models that only tensor routes can ask are listed by /v2/repository/index: whoever reads this
// list expects that /v1 can ask each entry for something.
bool is_asked_here(const serving::Model& model) {
  return model.generator() || model.embedder() || !model.task().empty();
}

void write_capabilities(JsonWriter& json, const serving::Model& model) {
  json.key("capabilities").open_array();
  if (model.generator()) {
    if (model.text() && model.text()->has_chat_template()) json.string("chat");
    json.string("completions");
  }
  if (model.embedder()) json.string("embeddings");
  if (!model.task().empty()) json.string(model.task());
  json.close_array();
}

void write_model(JsonWriter& json, const serving::Model& model) {
  const ModelDescription& d = model.description();
  json.open_object();
  json.field("id", model.name()).field("object", "model").field("created", model.created());
  json.field("owned_by", "millrace").field("max_model_len", d.max_model_len);
  json.field("version", model.version()).field("backend", d.backend).field("family", d.family);
  json.field("weights", d.weights).field("parameters", d.num_parameters);
  if (!model.task().empty()) json.field("task", model.task());
  write_capabilities(json, model);
  json.close_object();
}

}  // namespace

void get_models(const ApiContext& context, const net::HttpRequest&,
                std::shared_ptr<net::Responder> respond) {
  std::string body;
  JsonWriter json(body);
  json.open_object().field("object", "list").key("data").open_array();
  for (const serving::ModelStatus& status : context.store.list()) {
    if (status.model && status.is_default && is_asked_here(*status.model)) {
      write_model(json, *status.model);
    }
  }
  json.close_array().close_object();
  respond->send({.status = 200, .body = std::move(body)});
}

void get_model(const ApiContext& context, const net::HttpRequest& http,
               std::shared_ptr<net::Responder> respond) {
  const auto name = http.path_params.find("model");
  auto model = context.store.find(name == http.path_params.end() ? "" : name->second);
  if (!model) {
    Error& error = model.error();
    if (error.kind == ErrorKind::not_found && name != http.path_params.end()) {
      error.message = fmt::format("The model {} does not exist.", safe_name(name->second));
    }
    return respond->send(error_response(error));
  }
  std::string body;
  JsonWriter json(body);
  write_model(json, **model);
  respond->send({.status = 200, .body = std::move(body)});
}

}  // namespace millrace::api
