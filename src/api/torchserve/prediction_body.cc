#include "api/torchserve/prediction_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/json_writer.h"
#include "api/kserve/infer_request.h"
#include "api/kserve/tensor_json.h"
#include "api/lenient_json.h"
#include "api/nested_tensor.h"
#include "api/tensor_run.h"
#include "base/json.h"

namespace millrace::api {
namespace {

constexpr JsonLimits kBodyLimits{.max_bytes = std::size_t{64} << 20};

using Storage = std::deque<std::vector<std::byte>>;

std::string label_of(const TensorSpec& spec) {
  return "input " + safe_name(spec.name);
}

// "application/json" of "application/json; charset=utf-8", in lower case.
std::string media_type(const net::HttpRequest& http) {
  std::string type(http.header("content-type"));
  type.resize(std::min(type.find(';'), type.size()));
  while (type.ends_with(' ')) type.pop_back();
  for (char& c : type) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return type;
}

// Reads named or unnamed tensors of one request.
class Inputs {
 public:
  explicit Inputs(serving::TensorRequest& request) : request_(request) { request.owner = storage_; }

  Status read(const json::value& value);
  void add_string(const TensorSpec& spec, std::string_view text);
  PredictionHead head() const { return head_; }

 private:
  const ModelDescription& model() const { return request_.model->description(); }
  Status read_names(const json::object& object);
  Status read_only(const json::value& value);
  Status add(const TensorSpec& spec, const json::value& value);
  void push(const TensorSpec& spec, std::vector<std::int64_t> dims, std::vector<std::byte> data) {
    const auto& kept = storage_->emplace_back(std::move(data));
    request_.inputs.push_back(
        {.name = spec.name, .dtype = spec.dtype, .dims = std::move(dims), .data = kept});
  }

  serving::TensorRequest& request_;
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
  PredictionHead head_;
};

// One row may come without axis 0 where that is a batch.
Status Inputs::add(const TensorSpec& spec, const json::value& value) {
  auto tensor = tensor_from_nested(value, spec.dtype, label_of(spec));
  if (!tensor) {
    tensor.error().param = spec.name;
    return pass(tensor);
  }
  const auto want = spec.shape.dims();
  if (model().max_batch_size > 0 && !spec.any_rank && tensor->dims.size() + 1 == want.size() &&
      std::ranges::equal(tensor->dims, want.subspan(1),
                         [](auto given, auto dim) { return dim < 0 || dim == given; })) {
    tensor->dims.insert(tensor->dims.begin(), 1);
    head_.one_row = true;
  } else {
    head_.num_added_ones = std::max(head_.num_added_ones, add_trailing_ones(spec, tensor->dims));
  }
  push(spec, std::move(tensor->dims), std::move(tensor->data));
  return {};
}

// The whole body, as the first row or the only one.
void Inputs::add_string(const TensorSpec& spec, std::string_view text) {
  std::vector<std::byte> data;
  append_bytes_element(data, text);
  const std::size_t rank = spec.any_rank ? 1 : spec.shape.dims().size();
  head_.one_row = model().max_batch_size > 0;
  push(spec, std::vector<std::int64_t>(rank, 1), std::move(data));
}

Status Inputs::read_only(const json::value& value) {
  if (model().inputs.size() == 1) return add(model().inputs[0], value);
  return invalid(fmt::format("the model has {} inputs: send an object that names them",
                             model().inputs.size()));
}

Status Inputs::read_names(const json::object& object) {
  for (const auto& [name, value] : object) {
    const auto spec = std::ranges::find(model().inputs, std::string_view(name), &TensorSpec::name);
    if (spec == model().inputs.end()) {
      return invalid(fmt::format("the model has no input {}; send a nested array, {{\"data\": …}}, "
                                 "{{\"instances\": …}}, or an object of the inputs' names",
                                 safe_name(name)),
                     std::string(name));
    }
    if (Status added = add(*spec, value); !added) return added;
  }
  return {};
}

Status Inputs::read(const json::value& value) {
  const auto* object = value.if_object();
  if (!object || is_binary_string(value) || special_number(value)) return read_only(value);
  const auto is_input = [&](std::string_view name) {
    return std::ranges::find(model().inputs, name, &TensorSpec::name) != model().inputs.end();
  };
  for (const char* key : {"data", "instances", "body"}) {
    const json::value* inner = object->if_contains(key);
    if (!inner || object->size() != 1 || is_input(key)) continue;
    const auto* names = inner->if_object();
    return names && !is_binary_string(*inner) ? read_names(*names) : read_only(*inner);
  }
  return read_names(*object);
}

bool is_open_inference(const json::value& body) {
  const auto* object = body.if_object();
  const json::value* inputs = object ? object->if_contains("inputs") : nullptr;
  const auto* list = inputs ? inputs->if_array() : nullptr;
  return list && !list->empty() && (*list)[0].is_object() &&
         (*list)[0].as_object().contains("datatype");
}

// What a body that is no JSON may be. Encoded pictures are to be read here, for models of pictures.
Result<PredictionHead> parse_raw(const net::HttpRequest& http, const std::string& type,
                                 serving::TensorRequest& request) {
  const ModelDescription& model = request.model->description();
  if (type.starts_with("multipart/")) {
    return invalid("forms are not taken; send the file itself as the body (curl -T FILE)", {},
                   "unsupported_media_type");
  }
  if (model.inputs.size() == 1 && model.inputs[0].dtype == DType::bytes) {
    Inputs inputs(request);
    inputs.add_string(model.inputs[0], http.body);
    return inputs.head();
  }
  return invalid(
      fmt::format("the model takes tensors: send them as JSON, not as {}", safe_name(type)), {},
      "unsupported_media_type");
}

bool is_raw(const std::string& type, const ModelDescription& model) {
  if (type == "application/json") return false;
  const bool takes_string = model.inputs.size() == 1 && model.inputs[0].dtype == DType::bytes;
  return takes_string || type.starts_with("image/") || type.starts_with("multipart/") ||
         type == "application/octet-stream";
}

// A row without axis 0, or without the trailing ones that were added.
std::vector<std::int64_t> shown_dims(const PredictionHead& head, const Shape& shape) {
  std::vector<std::int64_t> dims(shape.dims().begin(), shape.dims().end());
  if (head.one_row && !dims.empty() && dims[0] == 1) dims.erase(dims.begin());
  for (int left = head.num_added_ones; left > 0 && dims.size() > 1 && dims.back() == 1; --left) {
    dims.pop_back();
  }
  return dims;
}

}  // namespace

Result<PredictionHead> parse_prediction(net::HttpRequest& http, serving::TensorRequest& request) {
  if (Status plain = check_body_encoding(http); !plain) return pass(plain);
  const std::string type = media_type(http);
  if (is_raw(type, request.model->description())) return parse_raw(http, type, request);
  const auto body = parse_lenient_json(http.body, kBodyLimits);
  if (!body) return std::unexpected(body.error());
  if (is_open_inference(*body)) {
    const auto head = parse_infer(http, request);
    if (!head) return std::unexpected(head.error());
    return PredictionHead{};
  }
  Inputs inputs(request);
  if (Status done = inputs.read(*body); !done) return pass(done);
  return inputs.head();
}

Result<net::HttpResponse> format_prediction(const ModelDescription& model,
                                            const PredictionHead& head,
                                            const serving::TensorAnswer& answer) {
  net::HttpResponse response;
  std::string& body = response.body;
  const bool several = model.outputs.size() != 1;
  if (several) body += '{';
  for (std::size_t i = 0; i < model.outputs.size(); ++i) {
    const TensorSpec& spec = model.outputs[i];
    if (Status fits = check_nested(spec.dtype, "output " + safe_name(spec.name)); !fits) {
      return pass(fits);
    }
    if (i > 0) body += ',';
    if (several) {
      append_json_string(body, spec.name);
      body += ':';
    }
    const OutputTensor& output = answer.outputs[i];
    NestedWriter(spec.dtype, output.data, spec.name.ends_with("_bytes"))
        .append(body, shown_dims(head, output.shape));
  }
  if (several) body += '}';
  return response;
}

}  // namespace millrace::api
