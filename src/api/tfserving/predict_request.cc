#include "api/tfserving/predict_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/lenient_json.h"
#include "api/nested_tensor.h"
#include "api/tensor_run.h"
#include "base/json.h"

namespace millrace::api {
namespace {

constexpr JsonLimits kBodyLimits{.max_bytes = std::size_t{64} << 20};

using Values = std::vector<const json::value*>;

// Keeps what the inputs' views look at.
using Storage = std::deque<std::vector<std::byte>>;

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

const TensorSpec* find_input(const ModelDescription& model, std::string_view name) {
  const auto found = std::ranges::find(model.inputs, name, &TensorSpec::name);
  return found == model.inputs.end() ? nullptr : &*found;
}

// Adds one input after the other to a request.
class Inputs {
 public:
  explicit Inputs(serving::TensorRequest& request) : request_(request) { request.owner = storage_; }

  const ModelDescription& model() const { return request_.model->description(); }
  // The input of that name; of a model with one input its only one where there is no name.
  Result<const TensorSpec*> find(std::string_view name) const {
    if (const TensorSpec* spec = find_input(model(), name)) return spec;
    return invalid(fmt::format("the model has no input {}", safe_name(name)), std::string(name));
  }
  Result<const TensorSpec*> only(const char* key) const {
    if (model().inputs.size() == 1) return &model().inputs[0];
    return invalid(
        fmt::format("the model has {} inputs: '{}' must name them", model().inputs.size(), key),
        key);
  }
  Status add_whole(const TensorSpec& spec, const json::value& value) {
    return add(spec, tensor_from_nested(value, spec.dtype, label_of(spec)));
  }
  Status add_rows(const TensorSpec& spec, const Values& rows) {
    return add(spec, tensor_from_rows(rows, spec.dtype, label_of(spec)));
  }
  // Rows of flat lists, as examples have them, in the shape that the model wants.
  Status add_features(const TensorSpec& spec, const Values& rows);
  PredictHead head(PredictForm form) const { return {.form = form, .num_added_ones = added_}; }

 private:
  static std::string label_of(const TensorSpec& spec) { return "input " + safe_name(spec.name); }
  Status add(const TensorSpec& spec, Result<NestedTensor> tensor) {
    if (!tensor) {
      tensor.error().param = spec.name;
      return pass(tensor);
    }
    added_ = std::max(added_, add_trailing_ones(spec, tensor->dims));
    const auto& kept = storage_->emplace_back(std::move(tensor->data));
    request_.inputs.push_back(
        {.name = spec.name, .dtype = spec.dtype, .dims = std::move(tensor->dims), .data = kept});
    return {};
  }

  serving::TensorRequest& request_;
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
  int added_ = 0;
};

Status Inputs::add_features(const TensorSpec& spec, const Values& rows) {
  // A value is a list of one.
  const bool any_list = std::ranges::any_of(rows, [](const auto* row) { return row->is_array(); });
  std::deque<json::value> lists;
  Values even = rows;
  for (const json::value*& row : even) {
    if (any_list && !row->is_array()) row = &lists.emplace_back(json::array{*row});
  }
  auto tensor = tensor_from_rows(even, spec.dtype, label_of(spec));
  if (!tensor) return add(spec, std::move(tensor));
  std::vector<std::int64_t>& dims = tensor->dims;
  const auto want = spec.shape.dims();
  if (dims.size() == 2 && dims[1] == 1 && want.size() == 1) dims.pop_back();
  const std::int64_t given = dims.size() > 1 ? dims[1] : 1;
  if (!spec.any_rank && dims.size() <= 2 && want.size() > 2 &&
      std::ranges::all_of(want.subspan(1), [](std::int64_t dim) { return dim >= 0; })) {
    std::int64_t wanted = 1;
    for (const std::int64_t dim : want.subspan(1)) wanted *= dim;
    if (wanted == given) {
      dims.resize(1);
      dims.insert(dims.end(), want.begin() + 1, want.end());
    }
  }
  return add(spec, std::move(tensor));
}

bool names_inputs(const json::value& value) {
  return value.is_object() && !is_binary_string(value) && !special_number(value);
}

// Rows that are objects: the values of one name, row by row.
Result<Values> values_of(const json::array& rows, std::string_view name, const char* key) {
  Values values;
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
Status check_names(const Inputs& inputs, const json::array& rows) {
  for (const json::value& row : rows) {
    if (!row.is_object()) continue;
    for (const auto& entry : row.as_object()) {
      if (auto known = inputs.find(entry.key()); !known) return pass(known);
    }
  }
  return {};
}

Status read_instances(const json::value& value, Inputs& inputs) {
  constexpr const char* kKey = "instances";
  const auto* rows = value.if_array();
  if (!rows || rows->empty()) return invalid("'instances' must be a list, and not empty", kKey);
  if (!names_inputs((*rows)[0])) {
    const auto spec = inputs.only(kKey);
    if (!spec) return std::unexpected(spec.error());
    Values values;
    for (const json::value& row : *rows) values.push_back(&row);
    return inputs.add_rows(**spec, values);
  }
  if (Status known = check_names(inputs, *rows); !known) return known;
  for (const TensorSpec& spec : inputs.model().inputs) {
    const auto values = values_of(*rows, spec.name, kKey);
    if (!values) return std::unexpected(values.error());
    if (Status added = inputs.add_rows(spec, *values); !added) return added;
  }
  return {};
}

Status read_columns(const json::value& value, Inputs& inputs) {
  if (!names_inputs(value)) {
    const auto spec = inputs.only("inputs");
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
  Inputs inputs(request);
  Status done = rows ? read_instances(*rows, inputs) : read_columns(*columns, inputs);
  if (!done) return pass(done);
  return inputs.head(rows ? PredictForm::row : PredictForm::column);
}

Result<PredictHead> parse_examples(const net::HttpRequest& http, serving::TensorRequest& request) {
  const auto body = read_body(http);
  if (!body) return std::unexpected(body.error());
  if (Status known = choose_signature(*body, request); !known) return pass(known);
  const auto examples = merged_examples(*body);
  if (!examples) return std::unexpected(examples.error());
  Inputs inputs(request);
  if (Status known = check_names(inputs, *examples); !known) return pass(known);
  for (const TensorSpec& spec : inputs.model().inputs) {
    const auto values = values_of(*examples, spec.name, "examples");
    if (!values) return std::unexpected(values.error());
    if (Status added = inputs.add_features(spec, *values); !added) return pass(added);
  }
  return inputs.head(PredictForm::row);
}

}  // namespace millrace::api
