#include "api/tfserving/predict_response.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/nested_tensor.h"

namespace millrace::api {
namespace {

struct Shown {
  const TensorSpec* spec;
  std::vector<std::int64_t> dims;
  NestedWriter writer;
};

Result<std::vector<Shown>> shown_outputs(const ModelDescription& model,
                                         const serving::TensorAnswer& answer, int num_added_ones) {
  std::vector<Shown> shown;
  for (std::size_t i = 0; i < model.outputs.size(); ++i) {
    const TensorSpec& spec = model.outputs[i];
    if (Status fits = check_nested(spec.dtype, "output " + safe_name(spec.name)); !fits) {
      return pass(fits);
    }
    const auto dims = answer.outputs[i].shape.dims();
    shown.push_back({.spec = &spec,
                     .dims = {dims.begin(), dims.end()},
                     .writer = NestedWriter(spec.dtype, answer.outputs[i].data,
                                            spec.name.ends_with("_bytes"))});
    // Axis 0 stays.
    auto& kept = shown.back().dims;
    for (int left = num_added_ones; left > 0 && kept.size() > 1 && kept.back() == 1; --left) {
      kept.pop_back();
    }
  }
  return shown;
}

void append_key(std::string& out, std::string_view name) {
  append_json_string(out, name);
  out += ':';
}

Status check_rows(const std::vector<Shown>& outputs) {
  for (const Shown& output : outputs) {
    const bool same =
        !output.dims.empty() && !outputs[0].dims.empty() && output.dims[0] == outputs[0].dims[0];
    if (same) continue;
    return invalid(fmt::format("output {} has no axis 0 in common with the others; send 'inputs' "
                               "instead of 'instances'",
                               safe_name(output.spec->name)),
                   "instances");
  }
  return {};
}

// Several outputs, row by row: a list of objects.
void append_rows(std::string& body, const std::vector<Shown>& outputs) {
  std::vector<std::int64_t> strides;
  for (const Shown& output : outputs) {
    std::int64_t stride = 1;
    for (std::size_t i = 1; i < output.dims.size(); ++i) stride *= output.dims[i];
    strides.push_back(stride);
  }
  body += '[';
  for (std::int64_t row = 0; row < outputs[0].dims[0]; ++row) {
    body += row > 0 ? ",{" : "{";
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (i > 0) body += ',';
      append_key(body, outputs[i].spec->name);
      outputs[i].writer.append(body, std::span(outputs[i].dims).subspan(1), row * strides[i]);
    }
    body += '}';
  }
  body += ']';
}

void append_columns(std::string& body, const std::vector<Shown>& outputs) {
  body += '{';
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) body += ',';
    append_key(body, outputs[i].spec->name);
    outputs[i].writer.append(body, outputs[i].dims);
  }
  body += '}';
}

bool is_score(const TensorSpec& spec) {
  return spec.dtype == DType::f32 || spec.dtype == DType::f64;
}

}  // namespace

Result<net::HttpResponse> format_predict(const ModelDescription& model, const PredictHead& head,
                                         const serving::TensorAnswer& answer) {
  const auto outputs = shown_outputs(model, answer, head.num_added_ones);
  if (!outputs) return std::unexpected(outputs.error());
  const bool by_row = head.form == PredictForm::row;
  if (by_row) {
    if (Status rows = check_rows(*outputs); !rows) return pass(rows);
  }
  net::HttpResponse response;
  std::string& body = response.body;
  body = by_row ? R"({"predictions":)" : R"({"outputs":)";
  if (outputs->size() == 1) {
    outputs->front().writer.append(body, outputs->front().dims);
  } else {
    by_row ? append_rows(body, *outputs) : append_columns(body, *outputs);
  }
  body += '}';
  return response;
}

Result<net::HttpResponse> format_regress(const ModelDescription& model,
                                         const serving::TensorAnswer& answer) {
  const auto outputs = shown_outputs(model, answer, kMaxRank);
  if (!outputs) return std::unexpected(outputs.error());
  if (outputs->size() != 1 || !is_score(*outputs->front().spec) ||
      outputs->front().dims.size() != 1) {
    return invalid(
        "the model does not answer one number an example, so there is nothing to "
        "regress; use :predict");
  }
  net::HttpResponse response{.body = R"({"results":)"};
  outputs->front().writer.append(response.body, outputs->front().dims);
  response.body += '}';
  return response;
}

Result<net::HttpResponse> format_classify(const ModelDescription& model,
                                          const serving::TensorAnswer& answer) {
  const auto outputs = shown_outputs(model, answer, 0);
  if (!outputs) return std::unexpected(outputs.error());
  const auto scores =
      std::ranges::find_if(*outputs, [](const Shown& o) { return is_score(*o.spec); });
  const auto labels =
      std::ranges::find_if(*outputs, [](const Shown& o) { return o.spec->dtype == DType::bytes; });
  const std::size_t used = (scores != outputs->end()) + (labels != outputs->end());
  const bool labelled = labels != outputs->end();
  if (scores == outputs->end() || used != outputs->size() || scores->dims.size() != 2 ||
      (labelled && labels->dims != scores->dims)) {
    return invalid(
        "the model does not answer a list of scores an example, so there is nothing to "
        "classify; use :predict");
  }
  net::HttpResponse response{.body = R"({"results":[)"};
  std::string& body = response.body;
  const std::int64_t classes = scores->dims[1];
  for (std::int64_t row = 0; row < scores->dims[0]; ++row) {
    body += row > 0 ? ",[" : "[";
    for (std::int64_t i = row * classes; i < (row + 1) * classes; ++i) {
      body += i > row * classes ? ",[" : "[";
      labelled ? labels->writer.append(body, {}, i) : append_json_string(body, "");
      body += ',';
      scores->writer.append(body, {}, i);
      body += ']';
    }
    body += ']';
  }
  body += "]}";
  return response;
}

}  // namespace millrace::api
