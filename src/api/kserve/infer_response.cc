#include "api/kserve/infer_response.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/kserve/classification.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/tensor_json.h"
#include "base/check.h"

namespace millrace::api {
namespace {

void write_output_head(JsonWriter& json, const ShownOutput& output) {
  json.open_object().field("name", *output.name).field("datatype", datatype_name(output.dtype));
  json.key("shape").open_array();
  for (const std::int64_t dim : output.shape.dims()) json.integer(dim);
  json.close_array();
}

// Takes the bytes to where the client wants them.
Status put_into_shared(const serving::SharedPiece& piece, const serving::SharedMemory* shared,
                       ShownOutput& output) {
  MILLRACE_CHECK(shared != nullptr);
  if (Status done = shared->write(piece, output.data); !done) {
    Error error = done.error();
    error.message = fmt::format("output {}: {}", safe_name(*output.name), error.message);
    return std::unexpected(std::move(error));
  }
  output.shared = &piece;
  output.data = {};
  output.binary = false;
  return {};
}

void write_shared(JsonWriter& json, const ShownOutput& output) {
  json.key("parameters").open_object().field("shared_memory_region", output.shared->region);
  json.field("shared_memory_byte_size", output.byte_size);
  if (output.shared->offset > 0) json.field("shared_memory_offset", output.shared->offset);
  json.close_object();
}

// Of the answer, so that its memory is taken once. JSON needs more; it grows as it is written.
std::size_t expected_bytes(std::span<const ShownOutput> outputs) {
  std::size_t bytes = 128;
  for (const ShownOutput& output : outputs) bytes += output.data.size() + 192;
  return bytes;
}

}  // namespace

Status check_outputs(const ModelDescription& model, const InferHead& head) {
  for (const WantedOutput& wanted : head.outputs) {
    const auto spec = std::ranges::find(model.outputs, wanted.name, &TensorSpec::name);
    if (spec == model.outputs.end()) {
      return invalid(fmt::format("the model has no output {}", safe_name(wanted.name)),
                     wanted.name);
    }
    const bool as_json = !wanted.binary && !wanted.shared && wanted.classification == 0;
    if (as_json && !fits_json(spec->dtype)) {
      return invalid(fmt::format("output {} is {}, which JSON cannot carry; ask for it as binary "
                                 "data",
                                 safe_name(wanted.name), datatype_name(spec->dtype)),
                     wanted.name);
    }
  }
  return {};
}

std::size_t light_answer_bytes(const InferHead& head) {
  constexpr std::size_t kMostBytes = std::size_t{16} << 10;
  const bool all_copied = std::ranges::all_of(head.outputs, [](const WantedOutput& wanted) {
    return wanted.binary && wanted.classification == 0 && !wanted.shared;
  });
  return all_copied && (head.all_binary || !head.outputs.empty()) ? kMostBytes : 0;
}

Result<std::vector<ShownOutput>> choose_outputs(const serving::Model& served, const InferHead& head,
                                                const serving::TensorAnswer& answer,
                                                const serving::SharedMemory* shared,
                                                std::forward_list<Classes>& storage) {
  const ModelDescription& model = served.description();
  std::vector<ShownOutput> shown;
  shown.reserve(head.outputs.empty() ? model.outputs.size() : head.outputs.size());
  const auto add = [&](std::size_t i, bool binary) {
    shown.push_back({.name = &model.outputs[i].name,
                     .dtype = model.outputs[i].dtype,
                     .shape = answer.outputs[i].shape,
                     .data = answer.outputs[i].data,
                     .binary = binary,
                     .byte_size = answer.outputs[i].data.size()});
  };
  if (head.outputs.empty()) {
    for (std::size_t i = 0; i < model.outputs.size(); ++i) add(i, head.all_binary);
    return shown;
  }
  for (const WantedOutput& wanted : head.outputs) {
    const auto spec = std::ranges::find(model.outputs, wanted.name, &TensorSpec::name);
    const auto i = static_cast<std::size_t>(spec - model.outputs.begin());
    add(i, wanted.binary);
    ShownOutput& output = shown.back();
    if (wanted.classification > 0) {
      auto classes = classify(answer.outputs[i], spec->dtype, model.max_batch_size > 0,
                              wanted.classification, served.output_labels(wanted.name));
      if (!classes) return pass(classes);
      const Classes& kept = storage.emplace_front(*std::move(classes));
      output.dtype = DType::bytes;
      output.shape = kept.shape;
      output.data = kept.data;
      output.byte_size = kept.data.size();
    }
    if (!wanted.shared) continue;
    if (Status put = put_into_shared(*wanted.shared, shared, output); !put) return pass(put);
  }
  return shown;
}

Result<net::HttpResponse> format_infer(const serving::Model& model, const InferHead& head,
                                       const serving::TensorAnswer& answer,
                                       const serving::SharedMemory* shared) {
  std::forward_list<Classes> storage;
  const auto shown = choose_outputs(model, head, answer, shared, storage);
  if (!shown) return std::unexpected(shown.error());
  net::HttpResponse response;
  std::string& body = response.body;
  body.reserve(expected_bytes(*shown));
  JsonWriter json(body);
  json.open_object().field("model_name", model.name()).field("model_version", model.version());
  if (!head.id.empty()) json.field("id", head.id);
  json.key("outputs").open_array();
  bool any_binary = false;
  for (const ShownOutput& output : *shown) {
    write_output_head(json, output);
    if (output.shared) {
      write_shared(json, output);
    } else if (output.binary) {
      any_binary = true;
      json.key("parameters").open_object().field("binary_data_size", output.data.size());
      json.close_object();
    } else {
      std::string data;
      if (Status done = append_tensor_json(data, output.dtype, output.data,
                                           "output " + safe_name(*output.name));
          !done) {
        return pass(done);
      }
      json.key("data").raw(data);
    }
    json.close_object();
  }
  json.close_array().close_object();
  if (!any_binary) return response;
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("Inference-Header-Content-Length",
                                fmt::format_int(body.size()).str());
  for (const ShownOutput& output : *shown) {
    if (!output.binary) continue;
    body.append(reinterpret_cast<const char*>(output.data.data()), output.data.size());
  }
  return response;
}

}  // namespace millrace::api
