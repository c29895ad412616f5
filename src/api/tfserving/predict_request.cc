#include "api/tfserving/predict_request.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/lenient_json.h"
#include "api/nested_tensor.h"
#include "api/tensor_run.h"
#include "api/tfserving/examples.h"
#include "api/tfserving/feature_input.h"
#include "api/tfserving/request_inputs.h"
#include "base/json.h"

namespace millrace::api {
namespace {

constexpr JsonLimits kBodyLimits{.max_bytes = std::size_t{64} << 20};

Result<json::object> read_body(const net::HttpRequest& http) {
  if (Status plain = check_body_encoding(http); !plain) return pass(plain);
  auto body = parse_lenient_json(http.body, kBodyLimits);
  if (!body) return pass(body);
  if (!body->is_object()) return invalid("The body must be a JSON object.");
  return std::move(body->as_object());
}

// The request goes to the model's signature that the body names.
Status choose_signature(const json::object& body, serving::TensorRequest& request) {
  const json::value* name = body.if_contains("signature_name");
  if (!name) return {};
  if (!name->is_string()) return invalid("'signature_name' must be a string", "signature_name");
  auto model = serving::find_signature(request.model, name->as_string());
  if (!model) return pass(model);
  request.model = *std::move(model);
  return {};
}

bool names_inputs(const json::value& value) {
  return value.is_object() && !is_binary_string(value) && !special_number(value);
}

// Rows that are objects: the values of one name, row by row.
Result<JsonValues> values_of(const json::array& rows, std::string_view name, const char* key) {
  JsonValues values;
  for (const json::value& row : rows) {
    const auto* object = row.if_object();
    if (!object) return invalid(fmt::format("each of '{}' must be an object of names", key), key);
    const json::value* value = object->if_contains(name);
    if (!value) {
      return invalid(fmt::format("input {} is missing in one of '{}'", safe_name(name), key),
                     std::string(name));
    }
    values.push_back(value);
  }
  return values;
}

// Every name of every row is an input.
Status check_names(const RequestInputs& inputs, const json::array& rows) {
  for (const json::value& row : rows) {
    if (!row.is_object()) continue;
    for (const auto& entry : row.as_object()) {
      if (auto known = inputs.find(entry.key()); !known) return pass(known);
    }
  }
  return {};
}

// What a row must have: serialised examples where it has them, else every input.
std::vector<const TensorSpec*> named_in(const json::object& row, const ModelDescription& model) {
  if (model.examples && row.contains(model.examples->input.name)) return {&model.examples->input};
  std::vector<const TensorSpec*> all;
  for (const TensorSpec& spec : model.inputs) all.push_back(&spec);
  return all;
}

Status read_instances(const json::value& value, RequestInputs& inputs) {
  constexpr const char* kKey = "instances";
  const auto* rows = value.if_array();
  if (!rows || rows->empty()) return invalid("'instances' must be a list, and not empty", kKey);
  if (!names_inputs((*rows)[0])) {
    const auto spec = inputs.only(kKey, (*rows)[0]);
    if (!spec) return std::unexpected(spec.error());
    JsonValues values;
    for (const json::value& row : *rows) values.push_back(&row);
    return inputs.add_rows(**spec, values);
  }
  if (Status known = check_names(inputs, *rows); !known) return known;
  for (const TensorSpec* spec : named_in((*rows)[0].as_object(), inputs.model())) {
    const auto values = values_of(*rows, spec->name, kKey);
    if (!values) return std::unexpected(values.error());
    if (Status added = inputs.add_rows(*spec, *values); !added) return added;
  }
  return {};
}

Status read_columns(const json::value& value, RequestInputs& inputs) {
  if (!names_inputs(value)) {
    const auto spec = inputs.only("inputs", value);
    if (!spec) return std::unexpected(spec.error());
    return inputs.add_whole(**spec, value);
  }
  for (const auto& [name, tensor] : value.as_object()) {
    const auto spec = inputs.find(name);
    if (!spec) return std::unexpected(spec.error());
    if (Status added = inputs.add_whole(**spec, tensor); !added) return added;
  }
  return {};
}

// The examples, each with the features of the context, which none of them may have itself.
Result<json::array> merged_examples(const json::object& body) {
  const json::value* examples = body.if_contains("examples");
  const auto* list = examples ? examples->if_array() : nullptr;
  if (!list || list->empty()) {
    return invalid("'examples' must be a list of objects, and not empty", "examples");
  }
  const json::value* context = body.if_contains("context");
  if (context && !context->is_object()) {
    return invalid("'context' must be an object of features", "context");
  }
  json::array merged;
  for (const json::value& example : *list) {
    if (!example.is_object()) return invalid("each of 'examples' must be an object", "examples");
    json::object all = example.as_object();
    for (const auto& [name, value] : context ? context->as_object() : json::object()) {
      if (!all.emplace(name, value).second) {
        return invalid(fmt::format("feature {} is in 'context' and in an example", safe_name(name)),
                       std::string(name));
      }
    }
    merged.emplace_back(std::move(all));
  }
  return merged;
}

Status add_feature(const json::object& example, FeatureInput& feature) {
  const json::value* value = example.if_contains(feature.name());
  if (!value) return feature.add_missing();
  auto tensor = tensor_from_nested(*value, feature.dtype(), "input " + safe_name(feature.name()));
  if (tensor) return feature.add(tensor->dims, tensor->data);
  tensor.error().param = feature.name();
  return pass(tensor);
}

}  // namespace

Result<PredictHead> parse_predict(const net::HttpRequest& http, serving::TensorRequest& request) {
  const auto body = read_body(http);
  if (!body) return std::unexpected(body.error());
  if (Status known = choose_signature(*body, request); !known) return pass(known);
  const json::value* rows = body->if_contains("instances");
  const json::value* columns = body->if_contains("inputs");
  if (!rows == !columns) {
    return invalid(rows ? "the body has both 'instances' and 'inputs'; send one of them"
                        : "the body has neither 'instances' nor 'inputs'",
                   "instances");
  }
  RequestInputs inputs(request);
  Status done = rows ? read_instances(*rows, inputs) : read_columns(*columns, inputs);
  if (!done) return pass(done);
  if (Status expanded = expand_examples(request); !expanded) return pass(expanded);
  return PredictHead{.form = rows ? PredictForm::row : PredictForm::column,
                     .num_added_ones = inputs.num_added_ones()};
}

Status parse_examples(const net::HttpRequest& http, serving::TensorRequest& request) {
  const auto body = read_body(http);
  if (!body) return std::unexpected(body.error());
  if (Status known = choose_signature(*body, request); !known) return known;
  const auto examples = merged_examples(*body);
  if (!examples) return std::unexpected(examples.error());
  RequestInputs inputs(request);
  const ModelDescription& model = inputs.model();
  if (!model.examples) {  // else the parser in the file leaves out what it does not know
    if (Status known = check_names(inputs, *examples); !known) return known;
  }
  std::size_t bytes_left = kMaxExampleBytes;
  for (FeatureInput& feature : feature_inputs(model, bytes_left)) {
    for (const json::value& example : *examples) {
      if (Status added = add_feature(example.as_object(), feature); !added) return added;
    }
    if (Status put = feature.put(inputs); !put) return put;
  }
  return {};
}

}  // namespace millrace::api
