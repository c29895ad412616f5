#include "api/grpc/kserve_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "api/admin/health.h"
#include "api/errors.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/infer.h"
#include "api/kserve/model_info.h"
#include "api/kserve/repository.h"
#include "base/log.h"

namespace millrace::api {
namespace {

std::unexpected<Error> not_implemented(std::string message) {
  return invalid(std::move(message), {}, "not_implemented");
}

void describe(const TensorSpec& spec, inference::ModelMetadataResponse::TensorMetadata& out) {
  out.set_name(spec.name);
  out.set_datatype(datatype_name(spec.dtype));
  for (const std::int64_t dim : kserve_shape(spec)) out.add_shape(dim);
}

inference::DataType config_type(DType dtype) {
  using enum inference::DataType;
  switch (dtype) {
    case DType::boolean:
      return TYPE_BOOL;
    case DType::u8:
      return TYPE_UINT8;
    case DType::u16:
      return TYPE_UINT16;
    case DType::u32:
      return TYPE_UINT32;
    case DType::u64:
      return TYPE_UINT64;
    case DType::i8:
      return TYPE_INT8;
    case DType::i16:
      return TYPE_INT16;
    case DType::i32:
      return TYPE_INT32;
    case DType::i64:
      return TYPE_INT64;
    case DType::f16:
      return TYPE_FP16;
    case DType::bf16:
      return TYPE_BF16;
    case DType::f32:
      return TYPE_FP32;
    case DType::f64:
      return TYPE_FP64;
    case DType::bytes:
      return TYPE_STRING;
    default:
      return TYPE_INVALID;
  }
}

template <class Tensor>
void configure(const TensorSpec& spec, bool batched, Tensor& out) {
  out.set_name(spec.name);
  out.set_data_type(config_type(spec.dtype));
  for (const std::int64_t dim : spec.shape.dims().subspan(batched ? 1 : 0)) out.add_dims(dim);
}

void fill(const serving::StatSum& sum, inference::StatisticDuration* out) {
  out->set_count(sum.count);
  out->set_ns(sum.ns);
}

void fill(const serving::Model& model, inference::ModelStatistics& out) {
  const serving::TensorStatistics s = model.tensor_stats()->now();
  out.set_name(model.name());
  out.set_version(model.version());
  out.set_last_inference(
      static_cast<std::uint64_t>(std::max<std::int64_t>(s.last_inference_ms, 0)));
  out.set_inference_count(s.inference_count);
  out.set_execution_count(s.execution_count);
  auto& sums = *out.mutable_inference_stats();
  fill(s.success, sums.mutable_success());
  fill(s.fail, sums.mutable_fail());
  fill(s.queue, sums.mutable_queue());
  fill(s.input, sums.mutable_compute_input());
  fill(s.infer, sums.mutable_compute_infer());
  fill(s.output, sums.mutable_compute_output());
  fill({}, sums.mutable_cache_hit());
  fill({}, sums.mutable_cache_miss());
  for (const auto& [rows, of_size] : s.batches) {
    auto& batch = *out.add_batch_stats();
    batch.set_batch_size(static_cast<std::uint64_t>(rows));
    fill(of_size.input, batch.mutable_compute_input());
    fill(of_size.infer, batch.mutable_compute_infer());
    fill(of_size.output, batch.mutable_compute_output());
  }
  auto& memory = *out.add_memory_usage();
  memory.set_type("CPU");
  memory.set_byte_size(static_cast<std::uint64_t>(model.description().weight_bytes));
}

Status check_control(const ApiContext& context) {
  if (context.options.allow_repository_control) return {};
  return invalid(
      "Models are loaded and unloaded on the admin port; start the server with "
      "--model-control-mode explicit to allow it here.",
      {}, "not_allowed");
}

Error named(Error error, const std::string& model) {
  error.message = fmt::format("model {}: {}", safe_name(model), error.message);
  return error;
}

}  // namespace

Result<inference::ServerLiveResponse> server_live(const ApiContext& context,
                                                  const inference::ServerLiveRequest&) {
  inference::ServerLiveResponse response;
  response.set_live(is_live(context));
  return response;
}

Result<inference::ServerReadyResponse> server_ready(const ApiContext& context,
                                                    const inference::ServerReadyRequest&) {
  inference::ServerReadyResponse response;
  response.set_ready(is_ready(context));
  return response;
}

Result<inference::ModelReadyResponse> model_ready(const ApiContext& context,
                                                  const inference::ModelReadyRequest& request) {
  inference::ModelReadyResponse response;
  response.set_ready(kserve_model(context, request.name(), request.version()).has_value());
  return response;
}

Result<inference::ServerMetadataResponse> server_metadata(const ApiContext& context,
                                                          const inference::ServerMetadataRequest&) {
  inference::ServerMetadataResponse response;
  response.set_name("millrace");
  response.set_version(context.options.version);
  for (const char* extension : kserve_extensions(context)) response.add_extensions(extension);
  return response;
}

Result<inference::ModelMetadataResponse> model_metadata(
    const ApiContext& context, const inference::ModelMetadataRequest& request) {
  auto model = kserve_model(context, request.name(), request.version());
  if (!model) return pass(model);
  const ModelDescription& d = (*model)->description();
  inference::ModelMetadataResponse response;
  response.set_name((*model)->name());
  response.add_versions((*model)->version());
  response.set_platform(kserve_platform(d));
  for (const TensorSpec& spec : d.inputs) describe(spec, *response.add_inputs());
  for (const TensorSpec& spec : d.outputs) describe(spec, *response.add_outputs());
  return response;
}

Result<inference::ModelConfigResponse> model_config(const ApiContext& context,
                                                    const inference::ModelConfigRequest& request) {
  auto model = kserve_model(context, request.name(), request.version());
  if (!model) return pass(model);
  const ModelDescription& d = (*model)->description();
  const bool batched = d.max_batch_size > 0;
  inference::ModelConfigResponse response;
  auto& config = *response.mutable_config();
  config.set_name((*model)->name());
  config.set_platform(kserve_platform(d));
  config.set_backend(d.backend);
  config.set_max_batch_size(d.max_batch_size);
  config.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  for (const TensorSpec& spec : d.inputs) configure(spec, batched, *config.add_input());
  for (const TensorSpec& spec : d.outputs) configure(spec, batched, *config.add_output());
  if (batched) config.mutable_dynamic_batching();
  return response;
}

Result<inference::ModelStatisticsResponse> model_statistics(
    const ApiContext& context, const inference::ModelStatisticsRequest& request) {
  inference::ModelStatisticsResponse response;
  if (!request.name().empty()) {
    auto model = kserve_model(context, request.name(), request.version());
    if (!model) return pass(model);
    fill(**model, *response.add_model_stats());
    return response;
  }
  for (const serving::ModelStatus& status : context.store.list()) {
    if (status.model && status.model->tensor_stats()) {
      fill(*status.model, *response.add_model_stats());
    }
  }
  return response;
}

Result<inference::RepositoryIndexResponse> repository_index(
    const ApiContext& context, const inference::RepositoryIndexRequest& request) {
  inference::RepositoryIndexResponse response;
  for (const serving::ModelStatus& status : context.store.list()) {
    if (request.ready() && status.state != serving::ModelState::ready) continue;
    auto& model = *response.add_models();
    model.set_name(status.name);
    model.set_version(status.version);
    model.set_state(repository_state(status.state));
    model.set_reason(repository_reason(status));
  }
  return response;
}

void repository_load(const ApiContext& context, std::shared_ptr<Call> call, Message message) {
  inference::RepositoryModelLoadRequest request;
  if (Status ok = message.parse(request); !ok) return call->fail(ok.error());
  if (Status ok = check_control(context); !ok) return call->fail(ok.error());
  if (!request.parameters().empty()) {
    return call->fail(invalid("models are loaded as they lie in the models folder: no 'config' and "
                              "no files can be sent",
                              "parameters", "unsupported_parameter")
                          .error());
  }
  const std::string name = request.model_name();
  const Status started = context.store.load(name, [call, name](const Status& loaded) {
    if (!loaded) return call->fail(named(loaded.error(), name));
    call->answer(inference::RepositoryModelLoadResponse().SerializeAsString());
  });
  if (!started) call->fail(named(started.error(), name));
}

Result<inference::RepositoryModelUnloadResponse> repository_unload(
    const ApiContext& context, const inference::RepositoryModelUnloadRequest& request) {
  if (Status ok = check_control(context); !ok) return pass(ok);
  const Status done = context.store.unload(request.model_name());
  if (!done) return std::unexpected(named(done.error(), request.model_name()));
  return inference::RepositoryModelUnloadResponse();
}

Result<inference::TraceSettingResponse> trace_setting(
    const ApiContext&, const inference::TraceSettingRequest& request) {
  for (const auto& [name, value] : request.settings()) {
    if (value.value_size() > 0) return not_implemented("Requests are not traced.");
  }
  inference::TraceSettingResponse response;
  (*response.mutable_settings())["trace_level"].add_value("OFF");
  return response;
}

Result<inference::LogSettingsResponse> log_settings(const ApiContext&,
                                                    const inference::LogSettingsRequest& request) {
  using Value = inference::LogSettingsRequest::SettingValue;
  for (const auto& [name, value] : request.settings()) {
    if (value.parameter_choice_case() != Value::PARAMETER_CHOICE_NOT_SET) {
      return not_implemented("How much is logged is said when the server starts: --log-level.");
    }
  }
  inference::LogSettingsResponse response;
  auto& settings = *response.mutable_settings();
  settings["log_file"].set_string_param("");
  settings["log_info"].set_bool_param(log_enabled(LogLevel::info));
  settings["log_warning"].set_bool_param(log_enabled(LogLevel::warn));
  settings["log_error"].set_bool_param(log_enabled(LogLevel::error));
  settings["log_verbose_level"].set_uint32_param(log_enabled(LogLevel::debug) ? 1 : 0);
  settings["log_format"].set_string_param("default");
  return response;
}

}  // namespace millrace::api
