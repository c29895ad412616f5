#include "api/kserve/repository.h"

#include <fmt/format.h>

#include <utility>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/kserve/kserve_errors.h"
#include "api/tensor_run.h"
#include "base/json.h"

namespace millrace::api {
namespace {

// A browser's page is not an operator, unless it is this server's own and clients may do so too.
bool is_foreign_page(const ApiContext& context, const net::HttpRequest& http) {
  const std::string_view origin = http.header("origin");
  if (origin.empty()) return false;
  const std::string_view host = http.header("host");
  const auto scheme = origin.find("://");
  const bool is_own = !host.empty() && scheme != std::string_view::npos &&
                      net::equal_ignoring_case(origin.substr(scheme + 3), host);
  return !is_own || !context.options.allow_repository_control;
}

// The body as an object; an empty body is an empty one.
Result<json::object> repository_body(const ApiContext& context, const net::HttpRequest& http) {
  if (is_foreign_page(context, http)) return invalid("Not to be asked from a web page.");
  if (http.body.empty()) return json::object();
  auto parsed = parse_json(http.body);
  if (!parsed) return pass(parsed);
  if (!parsed->is_object()) return invalid("The body must be a JSON object.");
  return std::move(parsed->as_object());
}

net::HttpResponse failed(Error error, const std::string& name) {
  error.message = fmt::format("model {}: {}", safe_name(name), error.message);
  return kserve_error(error);
}

}  // namespace

const char* repository_state(serving::ModelState state) {
  switch (state) {
    case serving::ModelState::ready:
      return "READY";
    case serving::ModelState::waiting:
    case serving::ModelState::loading:
      return "LOADING";
    case serving::ModelState::unloading:
      return "UNLOADING";
    case serving::ModelState::failed:
    case serving::ModelState::unloaded:
      break;
  }
  return "UNAVAILABLE";
}

std::string repository_reason(const serving::ModelStatus& status) {
  if (status.state == serving::ModelState::failed) return status.error.message;
  if (status.state == serving::ModelState::waiting) return status.stage;  // says for what
  return status.state == serving::ModelState::unloaded ? "unloaded" : "";
}

void post_repository_index(const ApiContext& context, const net::HttpRequest& http,
                           std::shared_ptr<net::Responder> respond) {
  const auto asked = repository_body(context, http);
  if (!asked) return respond->send(kserve_error(asked.error()));
  const json::value* ready = asked->if_contains("ready");
  if (ready && !ready->is_bool()) {
    return respond->send(kserve_error(invalid("'ready' must be true or false", "ready").error()));
  }
  std::string body;
  JsonWriter json(body);
  json.open_array();
  for (const serving::ModelStatus& status : context.store.list()) {
    const bool serves = status.model != nullptr;
    if (ready && ready->as_bool() && !serves) continue;
    json.open_object().field("name", status.name).field("version", status.version);
    json.field("state", repository_state(status.state));
    const bool has_failed = status.state == serving::ModelState::failed;
    const bool is_unloaded = status.state == serving::ModelState::unloaded;
    const bool waits = status.state == serving::ModelState::waiting;  // the stage says for what
    // Of one that serves: why its last update did not come.
    json.field("reason", has_failed || serves ? status.error.message
                         : is_unloaded        ? "unloaded"
                         : waits              ? status.stage
                                              : "");
    json.close_object();
  }
  json.close_array();
  respond->send({.status = 200, .body = std::move(body)});
}

void post_repository_load(const ApiContext& context, const net::HttpRequest& http,
                          std::shared_ptr<net::Responder> respond) {
  const auto asked = repository_body(context, http);
  if (!asked) return respond->send(kserve_error(asked.error()));
  if (asked->contains("parameters") && asked->at("parameters").is_object() &&
      !asked->at("parameters").as_object().empty()) {
    return respond->send(kserve_error(
        invalid("models are loaded as they lie in the models folder: no 'config' and no files can "
                "be sent",
                "parameters", "unsupported_parameter")
            .error()));
  }
  const std::string name = path_text(http, "model");
  const Status done = context.store.load(name, [respond, name](const Status& loaded) {
    respond->send(loaded ? net::HttpResponse{.status = 200, .body = "{}"}
                         : failed(loaded.error(), name));
  });
  if (!done) respond->send(failed(done.error(), name));
}

void post_repository_unload(const ApiContext& context, const net::HttpRequest& http,
                            std::shared_ptr<net::Responder> respond) {
  const auto asked = repository_body(context, http);
  if (!asked) return respond->send(kserve_error(asked.error()));
  const std::string name = path_text(http, "model");
  const Status done = context.store.unload(name);
  if (!done) return respond->send(failed(done.error(), name));
  respond->send({.status = 200, .body = "{}"});
}

}  // namespace millrace::api
