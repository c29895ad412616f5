#include "api/kserve/infer_request.h"

#include <fmt/format.h>

#include <charconv>
#include <forward_list>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/tensor_json.h"
#include "base/json.h"

namespace millrace::api {
namespace {

constexpr std::int64_t kMaxClasses = 100'000;
constexpr JsonLimits kHeadLimits{.max_bytes = std::size_t{64} << 20};

// Keeps what the inputs' views look at.
struct Storage {
  std::string body;
  std::forward_list<std::vector<std::byte>> from_json;
  std::forward_list<std::string> from_shared;
};

// Reads one request; `rest_` is the binary part that no input has taken yet.
class Reader {
 public:
  Reader(Storage& storage, std::string_view rest, serving::TensorRequest& request,
         const serving::SharedMemory* shared)
      : storage_(storage),
        rest_(reinterpret_cast<const std::byte*>(rest.data()), rest.size()),
        request_(request),
        shared_(shared) {}

  Status read(const json::object& head);
  InferHead take() { return std::move(out_); }

 private:
  Status read_input(const json::value& value);
  Status read_data(const json::object& input, const Label& label, serving::NamedTensor& tensor);
  Status read_output(const json::value& value);

  Storage& storage_;
  std::span<const std::byte> rest_;
  serving::TensorRequest& request_;
  const serving::SharedMemory* shared_;
  InferHead out_;
};

// The object under `key`, empty where there is none.
Result<const json::object*> object_in(const json::object& from, std::string_view key,
                                      const Label& label) {
  static const json::object kNone;
  const json::value* value = from.if_contains(key);
  if (!value) return &kNone;
  if (const auto* object = value->if_object()) return object;
  return invalid(fmt::format("{}: '{}' must be an object", label, key), std::string(key));
}

Result<std::optional<std::int64_t>> integer_in(const json::object& from, std::string_view key,
                                               std::int64_t min, std::int64_t max,
                                               const Label& label) {
  const json::value* value = from.if_contains(key);
  if (!value) return std::nullopt;
  const auto* number = value->if_int64();
  if (number && *number >= min && *number <= max) return *number;
  return invalid(fmt::format("{}: '{}' must be a whole number from {} to {}", label, key, min, max),
                 std::string(key));
}

Result<std::optional<bool>> flag_in(const json::object& from, std::string_view key,
                                    const Label& label) {
  const json::value* value = from.if_contains(key);
  if (!value) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  return invalid(fmt::format("{}: '{}' must be true or false", label, key), std::string(key));
}

Result<std::string> name_in(const json::value& value, const char* what) {
  const auto* object = value.if_object();
  const json::value* name = object ? object->if_contains("name") : nullptr;
  if (name && name->is_string()) return std::string(name->as_string());
  return invalid(fmt::format("each of '{}' must be an object with a 'name'", what), what);
}

Result<std::vector<std::int64_t>> shape_in(const json::object& input, const Label& label) {
  const json::value* value = input.if_contains("shape");
  const auto* array = value ? value->if_array() : nullptr;
  if (!array) return invalid(fmt::format("{}: 'shape' must be an array of whole numbers", label));
  std::vector<std::int64_t> dims;
  dims.reserve(array->size());
  for (const json::value& dim : *array) {
    const auto* number = dim.if_int64();
    if (!number || *number < 0) {
      return invalid(
          fmt::format("{}: 'shape' must hold whole numbers that are not negative", label));
    }
    dims.push_back(*number);
  }
  return dims;
}

// sequence_id: a number, or a text; 0 and "" are none.
Status read_sequence(const json::object& parameters, serving::TensorRequest& request) {
  const Label label("parameters");
  const auto start = flag_in(parameters, "sequence_start", label);
  if (!start) return std::unexpected(start.error());
  const auto end = flag_in(parameters, "sequence_end", label);
  if (!end) return std::unexpected(end.error());
  serving::SequenceStep step{.start = start->value_or(false), .end = end->value_or(false)};
  const json::value* id = parameters.if_contains("sequence_id");
  const bool is_number = id && (id->is_uint64() || (id->is_int64() && id->as_int64() >= 0));
  const bool is_text =
      id && id->is_string() && id->as_string().size() <= serving::kMaxSequenceIdBytes;
  if (id && !is_number && !is_text) {
    return invalid(fmt::format("parameters: 'sequence_id' must be a whole number above 0, or a "
                               "text of at most {} bytes",
                               serving::kMaxSequenceIdBytes),
                   "sequence_id");
  }
  if (is_number) step.id = id->to_number<std::uint64_t>();
  if (is_text) step.id = std::string(id->as_string());
  const bool none = !id || step.id == serving::SequenceId(std::uint64_t{0}) ||
                    step.id == serving::SequenceId(std::string());
  if (!none) {
    request.sequence = std::move(step);
  } else if (step.start || step.end) {
    return invalid("parameters: 'sequence_start' and 'sequence_end' need a 'sequence_id'",
                   "sequence_id");
  }
  return {};
}

Status Reader::read_data(const json::object& input, const Label& label,
                         serving::NamedTensor& tensor) {
  const auto parameters = object_in(input, "parameters", label);
  if (!parameters) return std::unexpected(parameters.error());
  const auto piece = read_shared_piece(**parameters, shared_, label);
  if (!piece) return std::unexpected(piece.error());
  if (*piece) {
    if (input.contains("data")) {
      return invalid(fmt::format("{} has both 'data' and shared memory", label), tensor.name);
    }
    auto bytes = shared_->read(**piece);
    if (!bytes) return pass(bytes);
    tensor.data = std::as_bytes(std::span(storage_.from_shared.emplace_front(*std::move(bytes))));
    return {};
  }
  const auto size = integer_in(**parameters, "binary_data_size", 0,
                               std::numeric_limits<std::int64_t>::max(), label);
  if (!size) return std::unexpected(size.error());
  const json::value* data = input.if_contains("data");
  if (*size) {
    if (data) return invalid(fmt::format("{} has both 'data' and binary data", label), tensor.name);
    const auto bytes = static_cast<std::uint64_t>(**size);
    if (bytes > rest_.size()) {
      return invalid(fmt::format("{}: 'binary_data_size' is {}, but only {} bytes are left in the "
                                 "body",
                                 label, bytes, rest_.size()),
                     tensor.name);
    }
    tensor.data = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return {};
  }
  if (!data) {
    return invalid(fmt::format("{} has neither 'data' nor a 'binary_data_size'", label),
                   tensor.name);
  }
  auto bytes = tensor_from_json(*data, tensor.dtype, label);
  if (!bytes) return pass(bytes);
  tensor.data = storage_.from_json.emplace_front(*std::move(bytes));
  return {};
}

Status Reader::read_input(const json::value& value) {
  auto name = name_in(value, "inputs");
  if (!name) return pass(name);
  const json::object& input = value.as_object();
  serving::NamedTensor tensor{.name = *std::move(name)};
  const Label label("input", tensor.name);
  const json::value* datatype = input.if_contains("datatype");
  const auto dtype =
      datatype && datatype->is_string() ? dtype_of_name(datatype->as_string()) : std::nullopt;
  if (!dtype) {
    return invalid(fmt::format("{}: 'datatype' must be one of BOOL, UINT8 to UINT64, INT8 to "
                               "INT64, FP16, BF16, FP32, FP64, BYTES",
                               label),
                   tensor.name);
  }
  tensor.dtype = *dtype;
  auto dims = shape_in(input, label);
  if (!dims) return pass(dims);
  tensor.dims = *std::move(dims);
  if (Status data = read_data(input, label, tensor); !data) return data;
  request_.inputs.push_back(std::move(tensor));
  return {};
}

Status Reader::read_output(const json::value& value) {
  auto name = name_in(value, "outputs");
  if (!name) return pass(name);
  const auto parameters = object_in(value.as_object(), "parameters", Label("output", *name));
  if (!parameters) return std::unexpected(parameters.error());
  return read_wanted_output(*std::move(name), **parameters, shared_, out_);
}

Status Reader::read(const json::object& head) {
  if (const json::value* id = head.if_contains("id")) {
    if (!id->is_string() || id->as_string().size() > kMaxIdBytes) {
      return invalid(fmt::format("'id' must be a string of at most {} bytes", kMaxIdBytes), "id");
    }
    out_.id = id->as_string();
  }
  const auto parameters = object_in(head, "parameters", "the request");
  if (!parameters) return std::unexpected(parameters.error());
  if (Status done = read_infer_parameters(**parameters, request_, out_); !done) return done;
  for (const char* key : {"inputs", "outputs"}) {
    const bool is_inputs = key[0] == 'i';
    const json::value* value = head.if_contains(key);
    if (!value && !is_inputs) continue;
    const auto* tensors = value ? value->if_array() : nullptr;
    if (!tensors || tensors->size() > kMaxTensors) {
      return invalid(fmt::format("'{}' must be an array of at most {} tensors", key, kMaxTensors),
                     key);
    }
    for (const json::value& tensor : *tensors) {
      if (Status done = is_inputs ? read_input(tensor) : read_output(tensor); !done) return done;
    }
  }
  if (rest_.empty()) return {};
  return invalid(fmt::format("{} bytes of the body belong to no input", rest_.size()));
}

// Where the JSON ends: the header field, or the whole body.
Result<std::size_t> head_length(const net::HttpRequest& http) {
  const std::string_view field = http.header("inference-header-content-length");
  if (field.empty()) return http.body.size();
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), length);
  if (error != std::errc() || end != field.data() + field.size() || length > http.body.size()) {
    return invalid(
        "Inference-Header-Content-Length must be the number of JSON bytes at the body's start",
        "Inference-Header-Content-Length");
  }
  return length;
}

// A body that is nothing but the one input's bytes. At most one size may be open; strings are one
// element.
Status read_raw(Storage& storage, serving::TensorRequest& request) {
  const ModelDescription& model = request.model->description();
  if (model.inputs.size() != 1 || model.inputs[0].any_rank) {
    return invalid("a raw body needs a model with one input of a known rank");
  }
  const TensorSpec& spec = model.inputs[0];
  serving::NamedTensor tensor{.name = spec.name, .dtype = spec.dtype};
  std::int64_t known = 1;
  std::int64_t* open = nullptr;
  tensor.dims.assign(spec.shape.dims().begin(), spec.shape.dims().end());
  for (std::size_t i = 0; i < tensor.dims.size(); ++i) {
    std::int64_t& dim = tensor.dims[i];
    if (dim >= 0) {
      known *= dim;
    } else if (i == 0 && model.max_batch_size > 0) {
      dim = 1;
    } else if (std::exchange(open, &dim)) {
      return invalid("a raw body needs a model with at most one open dimension");
    }
  }
  tensor.data = std::as_bytes(std::span(storage.body));
  std::int64_t elements = 1;
  if (spec.dtype == DType::bytes) {
    append_bytes_element(storage.from_json.emplace_front(), storage.body);
    tensor.data = storage.from_json.front();
  } else {
    elements = static_cast<std::int64_t>(tensor.data.size() / dtype_block_bytes(spec.dtype));
  }
  if (open) *open = known > 0 ? elements / known : 0;
  request.inputs.push_back(std::move(tensor));
  return {};
}

}  // namespace

Status read_infer_parameters(const json::object& parameters, serving::TensorRequest& request,
                             InferHead& head) {
  const Label label("parameters");
  for (const auto& [key, value] : parameters) {
    const std::string_view name = key;
    if (name == "triton_enable_empty_final_response") {
      // Every answer here is one response, and the last.
      if (!value.is_bool())
        return invalid(fmt::format("{}: '{}' must be true or false", label, name));
    } else if (name.starts_with("triton_")) {
      return invalid(fmt::format("parameter {} is reserved", safe_name(name)), std::string(name));
    }
  }
  if (Status sequence = read_sequence(parameters, request); !sequence) return sequence;
  const auto priority =
      integer_in(parameters, "priority", 0, std::numeric_limits<int>::max(), label);
  if (!priority) return std::unexpected(priority.error());
  if (priority->value_or(0) > 0) request.priority = static_cast<int>(**priority);
  // Microseconds from the arrival; a year is for ever.
  const auto timeout = integer_in(parameters, "timeout", 0, 31'536'000'000'000, label);
  if (!timeout) return std::unexpected(timeout.error());
  if (timeout->value_or(0) > 0) {
    const TimePoint end = request.arrival + std::chrono::microseconds(**timeout);
    request.deadline = std::min(request.deadline, end);
  }
  const auto binary = flag_in(parameters, "binary_data_output", label);
  if (!binary) return std::unexpected(binary.error());
  head.all_binary = binary->value_or(false);
  return {};
}

Status read_wanted_output(std::string name, const json::object& parameters,
                          const serving::SharedMemory* shared, InferHead& head) {
  const Label label("output", name);
  for (const WantedOutput& other : head.outputs) {
    if (other.name == name) return invalid(fmt::format("{} is asked for twice", label), name);
  }
  auto piece = read_shared_piece(parameters, shared, label);
  if (!piece) return pass(piece);
  const auto binary = flag_in(parameters, "binary_data", label);
  if (!binary) return std::unexpected(binary.error());
  const auto classes = integer_in(parameters, "classification", 0, kMaxClasses, label);
  if (!classes) return std::unexpected(classes.error());
  head.outputs.push_back({.name = std::move(name),
                          .binary = binary->value_or(head.all_binary),
                          .classification = classes->value_or(0),
                          .shared = *std::move(piece)});
  return {};
}

Result<std::optional<serving::SharedPiece>> read_shared_piece(const json::object& parameters,
                                                              const serving::SharedMemory* shared,
                                                              const Label& label) {
  const json::value* region = parameters.if_contains("shared_memory_region");
  if (!region) return std::nullopt;
  if (!shared) {
    return invalid(fmt::format("{}: shared memory is not served; the server must be started with "
                               "--enable-shared-memory",
                               label),
                   "shared_memory_region", "unsupported_parameter");
  }
  if (!region->is_string()) {
    return invalid(fmt::format("{}: 'shared_memory_region' must be a string", label),
                   "shared_memory_region");
  }
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  const auto size = integer_in(parameters, "shared_memory_byte_size", 0, kMax, label);
  if (!size) return std::unexpected(size.error());
  if (!*size) {
    return invalid(fmt::format("{}: 'shared_memory_byte_size' is missing", label),
                   "shared_memory_byte_size");
  }
  const auto offset = integer_in(parameters, "shared_memory_offset", 0, kMax, label);
  if (!offset) return std::unexpected(offset.error());
  return serving::SharedPiece{.region = std::string(region->as_string()),
                              .offset = static_cast<std::uint64_t>(offset->value_or(0)),
                              .byte_size = static_cast<std::uint64_t>(**size)};
}

Result<InferHead> parse_infer(net::HttpRequest& http, serving::TensorRequest& request,
                              const serving::SharedMemory* shared) {
  const std::string_view encoding = http.header("content-encoding");
  if (!encoding.empty() && encoding != "identity") {
    return invalid("Compressed request bodies are not accepted.", {}, "unsupported_media_type");
  }
  const auto length = head_length(http);
  if (!length) return std::unexpected(length.error());
  const bool raw = *length == 0 && !http.header("inference-header-content-length").empty();
  auto storage = std::make_shared<Storage>(std::move(http.body));
  request.owner = storage;
  if (raw) {
    if (Status done = read_raw(*storage, request); !done) return pass(done);
    return InferHead{.all_binary = true};
  }
  const std::string_view body = storage->body;
  const std::string_view text = body.substr(0, *length);
  JsonScratch scratch;
  const auto head = parse_json(text, kHeadLimits, scratch.memory_for(text));
  if (!head) return std::unexpected(head.error());
  if (!head->is_object()) return invalid("The body must be a JSON object.", {}, "invalid_type");
  Reader reader(*storage, body.substr(*length), request, shared);
  if (Status done = reader.read(head->as_object()); !done) return pass(done);
  return reader.take();
}

}  // namespace millrace::api
