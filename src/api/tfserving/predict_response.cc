#include "api/tfserving/predict_response.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/nested_tensor.h"
#include "api/tfserving/results.h"

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
  const auto results = find_regressions(model, answer);
  if (!results) return std::unexpected(results.error());
  net::HttpResponse response{.body = R"({"results":)"};
  const std::int64_t dims[] = {results->num_rows};
  NestedWriter(results->values.dtype, results->values.data, false).append(response.body, dims);
  response.body += '}';
  return response;
}

Result<net::HttpResponse> format_classify(const ModelDescription& model,
                                          const serving::TensorAnswer& answer) {
  const auto results = find_classes(model, answer);
  if (!results) return std::unexpected(results.error());
  const NestedWriter scores(results->scores.dtype, results->scores.data, false);
  std::optional<NestedWriter> labels;
  if (results->labels) labels.emplace(results->labels->dtype, results->labels->data, false);
  net::HttpResponse response{.body = R"({"results":[)"};
  std::string& body = response.body;
  const std::int64_t classes = results->num_classes;
  for (std::int64_t row = 0; row < results->num_rows; ++row) {
    body += row > 0 ? ",[" : "[";
    for (std::int64_t i = row * classes; i < (row + 1) * classes; ++i) {
      body += i > row * classes ? ",[" : "[";
      labels ? labels->append(body, {}, i) : append_json_string(body, "");
      body += ',';
      scores.append(body, {}, i);
      body += ']';
    }
    body += ']';
  }
  body += "]}";
  return response;
}

}  // namespace millrace::api
