#include "api/kserve/model_info.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "api/json_writer.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/infer.h"
#include "api/kserve/kserve_errors.h"

namespace millrace::api {
namespace {

constexpr const char* kExtensions[] = {
    "binary_tensor_data", "classification", "model_configuration", "model_repository", "parameters",
    "schedule_policy",    "sequence",       "statistics"};

void send(net::Responder& respond, std::string body) {
  respond.send({.status = 200, .body = std::move(body)});
}

void write_dims(JsonWriter& json, std::span<const std::int64_t> dims) {
  json.open_array();
  for (const std::int64_t dim : dims) json.integer(dim);
  json.close_array();
}

void write_specs(JsonWriter& json, const char* key, const std::vector<TensorSpec>& specs) {
  json.key(key).open_array();
  for (const TensorSpec& spec : specs) {
    json.open_object().field("name", spec.name).field("datatype", datatype_name(spec.dtype));
    json.key("shape");
    write_dims(json, kserve_shape(spec));
    json.close_object();
  }
  json.close_array();
}

void write_config_specs(JsonWriter& json, const char* key, const std::vector<TensorSpec>& specs,
                        bool batched) {
  json.key(key).open_array();
  for (const TensorSpec& spec : specs) {
    const std::string type = datatype_name(spec.dtype);
    json.open_object().field("name", spec.name);
    json.field("data_type", "TYPE_" + (type == "BYTES" ? std::string("STRING") : type));
    json.key("dims");
    write_dims(json, spec.shape.dims().subspan(batched ? 1 : 0));
    json.close_object();
  }
  json.close_array();
}

void write_version_policy(JsonWriter& json, const serving::VersionPolicy& policy) {
  using Kind = serving::VersionPolicy::Kind;
  json.key("version_policy").open_object();
  if (policy.kind == Kind::latest) {
    json.key("latest").open_object().field("num_versions", policy.num_latest).close_object();
  } else if (policy.kind == Kind::all) {
    json.key("all").open_object().close_object();
  } else {
    json.key("specific").open_object().key("versions").open_array();
    for (const std::uint64_t version : policy.specific) {
      json.integer(static_cast<std::int64_t>(version));
    }
    json.close_array().close_object();
  }
  json.close_object();
}

void write_batching(JsonWriter& json, const serving::BatchSettings& batch) {
  json.key("dynamic_batching").open_object();
  if (!batch.preferred_sizes.empty()) {
    json.key("preferred_batch_size").open_array();
    for (const int size : batch.preferred_sizes) json.integer(size);
    json.close_array();
  }
  if (batch.max_delay) json.field("max_queue_delay_microseconds", batch.max_delay->count());
  if (batch.priority_levels > 0) {
    json.field("priority_levels", batch.priority_levels);
    json.field("default_priority_level", batch.default_priority);
  }
  json.close_object();
}

void write_sum(JsonWriter& json, const char* key, const serving::StatSum& sum) {
  json.key(key).open_object().field("count", sum.count).field("ns", sum.ns).close_object();
}

void write_stats(JsonWriter& json, const serving::Model& model) {
  const serving::TensorStatistics s = model.tensor_stats()->now();
  json.open_object().field("name", model.name()).field("version", model.version());
  json.field("last_inference", s.last_inference_ms);
  json.field("inference_count", s.inference_count).field("execution_count", s.execution_count);
  json.key("inference_stats").open_object();
  write_sum(json, "success", s.success);
  write_sum(json, "fail", s.fail);
  write_sum(json, "queue", s.queue);
  write_sum(json, "compute_input", s.input);
  write_sum(json, "compute_infer", s.infer);
  write_sum(json, "compute_output", s.output);
  write_sum(json, "cache_hit", {});
  write_sum(json, "cache_miss", {});
  json.close_object().key("batch_stats").open_array();
  for (const auto& [rows, sums] : s.batches) {
    json.open_object().field("batch_size", rows);
    write_sum(json, "compute_input", sums.input);
    write_sum(json, "compute_infer", sums.infer);
    write_sum(json, "compute_output", sums.output);
    json.close_object();
  }
  json.close_array().key("memory_usage").open_array().open_object();
  json.field("type", "CPU").field("id", 0).field("byte_size", model.description().weight_bytes);
  json.close_object().close_array().close_object();
}

}  // namespace

std::vector<const char*> kserve_extensions(const ApiContext& context) {
  std::vector<const char*> extensions(std::begin(kExtensions), std::end(kExtensions));
  if (context.shared_memory) extensions.push_back("system_shared_memory");
  return extensions;
}

std::string kserve_platform(const ModelDescription& model) {
  return fmt::format("{}_{}", model.backend, model.family);
}

std::span<const std::int64_t> kserve_shape(const TensorSpec& spec) {
  // Not even the rank is known: one open dimension stands for it.
  static constexpr std::int64_t kUnknown[] = {-1};
  return spec.any_rank ? std::span<const std::int64_t>(kUnknown) : spec.shape.dims();
}

void get_server_metadata(const ApiContext& context, const net::HttpRequest&,
                         std::shared_ptr<net::Responder> respond) {
  std::string body;
  JsonWriter json(body);
  json.open_object().field("name", "millrace").field("version", context.options.version);
  json.key("extensions").open_array();
  for (const char* extension : kserve_extensions(context)) json.string(extension);
  json.close_array().close_object();
  send(*respond, std::move(body));
}

void get_model_metadata(const ApiContext& context, const net::HttpRequest& http,
                        std::shared_ptr<net::Responder> respond) {
  const auto model = kserve_model(context, http);
  if (!model) return respond->send(kserve_error(model.error()));
  const ModelDescription& d = (*model)->description();
  std::string body;
  JsonWriter json(body);
  json.open_object().field("name", (*model)->name());
  json.key("versions").open_array();
  if (const auto versions = context.store.list((*model)->name())) {
    for (const serving::ModelStatus& status : *versions) {
      if (status.model) json.string(status.version);
    }
  }
  json.close_array();
  json.field("platform", kserve_platform(d));
  write_specs(json, "inputs", d.inputs);
  write_specs(json, "outputs", d.outputs);
  json.close_object();
  send(*respond, std::move(body));
}

void get_model_config(const ApiContext& context, const net::HttpRequest& http,
                      std::shared_ptr<net::Responder> respond) {
  const auto model = kserve_model(context, http);
  if (!model) return respond->send(kserve_error(model.error()));
  const ModelDescription& d = (*model)->description();
  const bool batched = d.max_batch_size > 0;
  std::string body;
  JsonWriter json(body);
  json.open_object().field("name", (*model)->name()).field("platform", kserve_platform(d));
  json.field("backend", d.backend).field("max_batch_size", d.max_batch_size);
  write_version_policy(json, (*model)->found().rules.policy);
  write_config_specs(json, "input", d.inputs, batched);
  write_config_specs(json, "output", d.outputs, batched);
  const serving::GraphSettings& settings = (*model)->found().graph;
  if ((*model)->sequences()) {
    json.key("sequence_batching").open_object();
    json.field("max_sequence_idle_microseconds", settings.sequence.max_idle.count());
    json.close_object();
  } else if (batched) {
    write_batching(json, settings.batch);
  }
  json.close_object();
  send(*respond, std::move(body));
}

void get_model_ready(const ApiContext& context, const net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond) {
  const auto model = kserve_model(context, http);
  if (!model) return respond->send(kserve_error(model.error()));
  send(*respond, "{}");
}

void get_model_stats(const ApiContext& context, const net::HttpRequest& http,
                     std::shared_ptr<net::Responder> respond) {
  std::string body;
  JsonWriter json(body);
  json.open_object().key("model_stats").open_array();
  if (http.path_params.contains("model")) {
    const auto model = kserve_model(context, http);
    if (!model) return respond->send(kserve_error(model.error()));
    write_stats(json, **model);
  } else {
    for (const serving::ModelStatus& status : context.store.list()) {
      if (status.model && status.model->tensor_stats()) write_stats(json, *status.model);
    }
  }
  json.close_array().close_object();
  send(*respond, std::move(body));
}

}  // namespace millrace::api
