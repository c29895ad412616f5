#include "api/tfserving/model_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/kserve/kserve_errors.h"
#include "api/openai/models.h"
#include "api/tensor_run.h"
#include "api/tfserving/request_inputs.h"

namespace millrace::api {
namespace {

const char* state_name(serving::ModelState state) {
  switch (state) {
    case serving::ModelState::waiting:
      return "START";
    case serving::ModelState::loading:
      return "LOADING";
    case serving::ModelState::ready:
      return "AVAILABLE";
    case serving::ModelState::unloading:
      return "UNLOADING";
    case serving::ModelState::failed:
    case serving::ModelState::unloaded:
      break;
  }
  return "END";
}

const char* type_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "DT_FLOAT";
    case DType::f64:
      return "DT_DOUBLE";
    case DType::f16:
      return "DT_HALF";
    case DType::bf16:
      return "DT_BFLOAT16";
    case DType::i8:
      return "DT_INT8";
    case DType::i16:
      return "DT_INT16";
    case DType::i32:
      return "DT_INT32";
    case DType::i64:
      return "DT_INT64";
    case DType::u8:
      return "DT_UINT8";
    case DType::u16:
      return "DT_UINT16";
    case DType::u32:
      return "DT_UINT32";
    case DType::u64:
      return "DT_UINT64";
    case DType::boolean:
      return "DT_BOOL";
    case DType::bytes:
      return "DT_STRING";
    default:
      return "DT_INVALID";
  }
}

// The versions of a model, in whatever state.
std::vector<serving::ModelStatus> versions_of(const ApiContext& context, const std::string& name) {
  std::vector<serving::ModelStatus> found;
  const std::string wanted = serving::model_name_of(name.substr(0, 256));
  for (serving::ModelStatus& status : context.store.list()) {
    if (status.name == name || status.name == wanted) found.push_back(std::move(status));
  }
  return found;
}

net::HttpResponse no_versions(const std::string& name) {
  return kserve_error(fail(ErrorKind::not_found,
                           fmt::format("Could not find any versions of model {}", safe_name(name)),
                           "model", "model_not_found")
                          .error());
}

void write_status(JsonWriter& json, const serving::ModelStatus& status) {
  const bool failed = status.state == serving::ModelState::failed;
  json.open_object().field("version", status.version).field("state", state_name(status.state));
  json.key("status").open_object().field("error_code", failed ? "UNKNOWN" : "OK");
  json.field("error_message", failed ? status.error.message : "").close_object().close_object();
}

void write_tensors(JsonWriter& json, const char* key, const std::vector<TensorSpec>& specs) {
  json.key(key).open_object();
  for (const TensorSpec& spec : specs) {
    json.key(spec.name).open_object().field("dtype", type_name(spec.dtype));
    json.key("tensor_shape").open_object().key("dim").open_array();
    for (const std::int64_t dim : spec.shape.dims()) {
      json.open_object().field("size", fmt::format("{}", dim)).field("name", "").close_object();
    }
    json.close_array().field("unknown_rank", spec.any_rank).close_object();
    json.field("name", spec.name).close_object();
  }
  json.close_object();
}

void write_signature(JsonWriter& json, const serving::Model& model) {
  const ModelDescription& d = model.description();
  json.key(model.signature()).open_object();
  write_tensors(json, "inputs", tf_inputs(d));
  write_tensors(json, "outputs", d.outputs);
  const bool has_method = !d.signature_method.empty();
  json.field("method_name", has_method ? d.signature_method : "tensorflow/serving/predict");
  json.key("defaults").open_object().close_object().close_object();
}

}  // namespace

void get_tfs_status(const ApiContext& context, const net::HttpRequest& http,
                    std::shared_ptr<net::Responder> respond) {
  const std::string name = path_text(http, "model");
  auto versions = versions_of(context, name);
  std::string version = path_text(http, "version");
  if (!path_text(http, "label").empty()) {
    const auto model = find_tensor_model(context, http);
    if (!model) return respond->send(kserve_error(model.error()));
    version = (*model)->version();
  }
  if (!version.empty()) {
    std::erase_if(versions, [&](const auto& status) { return status.version != version; });
  }
  if (versions.empty()) return respond->send(no_versions(name));
  std::string body;
  JsonWriter json(body);
  json.open_object().key("model_version_status").open_array();
  for (const serving::ModelStatus& status : versions) write_status(json, status);
  json.close_array().close_object();
  respond->send({.status = 200, .body = std::move(body)});
}

void get_tfs_metadata(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond) {
  const auto model = find_tensor_model(context, http);
  if (!model) return respond->send(kserve_error(model.error()));
  std::string body;
  JsonWriter json(body);
  json.open_object().key("model_spec").open_object().field("name", (*model)->name());
  json.field("signature_name", "").field("version", (*model)->version()).close_object();
  json.key("metadata").open_object().key("signature_def").open_object();
  json.key("signature_def").open_object();
  write_signature(json, **model);
  for (const auto& other : (*model)->signatures()) write_signature(json, *other);
  json.close_object().close_object().close_object().close_object();
  respond->send({.status = 200, .body = std::move(body)});
}

void get_any_model(const ApiContext& context, const net::HttpRequest& http,
                   std::shared_ptr<net::Responder> respond) {
  const auto versions = versions_of(context, path_text(http, "model"));
  const bool of_tensors = std::ranges::any_of(versions, [](const serving::ModelStatus& status) {
    return status.takes_tensors || (status.model && status.model->batcher());
  });
  of_tensors ? get_tfs_status(context, http, std::move(respond))
             : get_model(context, http, std::move(respond));
}

}  // namespace millrace::api
