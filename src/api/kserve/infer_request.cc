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
#include "api/json_reader.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/tensor_json.h"

namespace millrace::api {
namespace {

constexpr std::int64_t kMaxClasses = 100'000;
constexpr std::string_view kHeadLength = "inference-header-content-length";
constexpr JsonLimits kHeadLimits{.max_bytes = std::size_t{64} << 20};

// Keeps what the inputs' views look at.
struct Storage {
  std::string body;
  std::forward_list<std::vector<std::byte>> from_json;
  std::forward_list<std::string> from_shared;
};

// An input, or an output asked for, as the text has it: nothing is checked yet.
struct RawTensor {
  JsonScalar name{}, datatype{};
  bool has_shape = false;  // an array
  bool bad_dim = false;
  std::vector<std::int64_t> dims{};
  std::optional<Parameters> parameters{Parameters()};  // empty: no object
  std::string_view data{};                             // JSON; empty: there is none
};

struct RawTensors {
  bool is_list = false;  // an array of at most kMaxTensors
  bool is_there = false;
  std::vector<RawTensor> tensors{};
};

// Reads one request: first the text in the order it comes in, then what it says. `rest_` is the
// binary part that no input has taken yet.
class Reader {
 public:
  Reader(std::string_view text, Storage& storage, std::string_view rest,
         serving::TensorRequest& request, const serving::SharedMemory* shared)
      : json_(text, kHeadLimits),
        storage_(storage),
        rest_(reinterpret_cast<const std::byte*>(rest.data()), rest.size()),
        request_(request),
        shared_(shared) {}

  // False: the text is no JSON.
  bool scan();
  Status read();
  InferHead take() { return std::move(out_); }

 private:
  std::optional<Parameters> scan_parameters();
  void scan_shape(RawTensor& tensor);
  void scan_tensor(RawTensor& tensor);
  void scan_tensors(RawTensors& list);
  Status read_input(RawTensor& raw);
  Status read_data(const RawTensor& raw, const Label& label, serving::NamedTensor& tensor);
  Status read_output(const RawTensor& raw);

  JsonReader json_;
  bool is_object_ = false;
  std::optional<JsonScalar> id_;
  std::optional<Parameters> parameters_{Parameters()};
  RawTensors inputs_, outputs_;

  Storage& storage_;
  std::span<const std::byte> rest_;
  serving::TensorRequest& request_;
  const serving::SharedMemory* shared_;
  InferHead out_;
};

std::optional<Parameters> Reader::scan_parameters() {
  if (json_.kind() != JsonReader::Kind::object) return json_.skip(), std::nullopt;
  Parameters out;
  std::string_view name;
  for (json_.open_object(); json_.next_key(name);) out.add(name, json_.scalar());
  return out;
}

void Reader::scan_shape(RawTensor& tensor) {
  tensor.has_shape = json_.kind() == JsonReader::Kind::array;
  if (!tensor.has_shape) return void(json_.skip());
  for (json_.open_array(); json_.next_element();) {
    const JsonScalar dim = json_.scalar();
    const auto* number = std::get_if<std::int64_t>(&dim);
    tensor.bad_dim = tensor.bad_dim || !number || *number < 0;
    if (!tensor.bad_dim) tensor.dims.push_back(*number);
  }
}

void Reader::scan_tensor(RawTensor& tensor) {
  if (json_.kind() != JsonReader::Kind::object) return void(json_.skip());
  std::string_view key;
  for (json_.open_object(); json_.next_key(key);) {
    if (key == "name") {
      tensor.name = json_.scalar();
    } else if (key == "datatype") {
      tensor.datatype = json_.scalar();
    } else if (key == "shape") {
      scan_shape(tensor);
    } else if (key == "parameters") {
      tensor.parameters = scan_parameters();
    } else if (key == "data") {
      tensor.data = json_.skip();
    } else {
      json_.skip();
    }
  }
}

void Reader::scan_tensors(RawTensors& list) {
  list.is_there = true;
  list.is_list = json_.kind() == JsonReader::Kind::array;
  if (!list.is_list) return void(json_.skip());
  for (json_.open_array(); json_.next_element();) {
    list.is_list = list.is_list && list.tensors.size() < kMaxTensors;
    if (list.is_list) {
      scan_tensor(list.tensors.emplace_back());
    } else {
      json_.skip();
    }
  }
}

bool Reader::scan() {
  is_object_ = json_.kind() == JsonReader::Kind::object;
  if (!is_object_) return json_.skip(), json_.finished();
  std::string_view key;
  for (json_.open_object(); json_.next_key(key);) {
    if (key == "id") {
      id_ = json_.scalar();
    } else if (key == "parameters") {
      parameters_ = scan_parameters();
    } else if (key == "inputs") {
      scan_tensors(inputs_);
    } else if (key == "outputs") {
      scan_tensors(outputs_);
    } else {
      json_.skip();
    }
  }
  return json_.finished();
}

std::unexpected<Error> no_parameters(const Label& label) {
  return invalid(fmt::format("{}: 'parameters' must be an object", label), "parameters");
}

Result<std::string> name_of(const RawTensor& raw, const char* what) {
  if (const auto* name = std::get_if<std::string_view>(&raw.name)) return std::string(*name);
  return invalid(fmt::format("each of '{}' must be an object with a 'name'", what), what);
}

// sequence_id: a number, or a text; 0 and "" are none.
Status read_sequence(const Parameters& parameters, serving::TensorRequest& request) {
  const Label label("parameters");
  const auto start = flag_in(parameters, "sequence_start", label);
  if (!start) return std::unexpected(start.error());
  const auto end = flag_in(parameters, "sequence_end", label);
  if (!end) return std::unexpected(end.error());
  serving::SequenceStep step{.start = start->value_or(false), .end = end->value_or(false)};
  const JsonScalar* id = parameters.find("sequence_id");
  const auto* whole = std::get_if<std::int64_t>(id);
  const auto* large = std::get_if<std::uint64_t>(id);
  const auto* text = std::get_if<std::string_view>(id);
  const bool is_number = large || (whole && *whole >= 0);
  const bool is_text = text && text->size() <= serving::kMaxSequenceIdBytes;
  if (id && !is_number && !is_text) {
    return invalid(fmt::format("parameters: 'sequence_id' must be a whole number above 0, or a "
                               "text of at most {} bytes",
                               serving::kMaxSequenceIdBytes),
                   "sequence_id");
  }
  if (is_number) step.id = large ? *large : static_cast<std::uint64_t>(*whole);
  if (is_text) step.id = std::string(*text);
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

Status Reader::read_data(const RawTensor& raw, const Label& label, serving::NamedTensor& tensor) {
  if (!raw.parameters) return no_parameters(label);
  const auto piece = read_shared_piece(*raw.parameters, shared_, label);
  if (!piece) return std::unexpected(piece.error());
  const bool has_data = !raw.data.empty();
  if (*piece) {
    if (has_data) {
      return invalid(fmt::format("{} has both 'data' and shared memory", label), tensor.name);
    }
    auto bytes = shared_->read(**piece);
    if (!bytes) return pass(bytes);
    tensor.data = std::as_bytes(std::span(storage_.from_shared.emplace_front(*std::move(bytes))));
    return {};
  }
  const auto size = integer_in(*raw.parameters, "binary_data_size", 0,
                               std::numeric_limits<std::int64_t>::max(), label);
  if (!size) return std::unexpected(size.error());
  if (*size) {
    if (has_data) {
      return invalid(fmt::format("{} has both 'data' and binary data", label), tensor.name);
    }
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
  if (!has_data) {
    return invalid(fmt::format("{} has neither 'data' nor a 'binary_data_size'", label),
                   tensor.name);
  }
  auto bytes = tensor_from_json(raw.data, tensor.dtype, label);
  if (!bytes) return pass(bytes);
  tensor.data = storage_.from_json.emplace_front(*std::move(bytes));
  return {};
}

Status Reader::read_input(RawTensor& raw) {
  auto name = name_of(raw, "inputs");
  if (!name) return pass(name);
  serving::NamedTensor& tensor = request_.inputs.emplace_back();
  tensor.name = *std::move(name);
  const Label label("input", tensor.name);
  const auto* datatype = std::get_if<std::string_view>(&raw.datatype);
  const auto dtype = datatype ? dtype_of_name(*datatype) : std::nullopt;
  if (!dtype) {
    return invalid(fmt::format("{}: 'datatype' must be one of BOOL, UINT8 to UINT64, INT8 to "
                               "INT64, FP16, BF16, FP32, FP64, BYTES",
                               label),
                   tensor.name);
  }
  tensor.dtype = *dtype;
  if (!raw.has_shape) {
    return invalid(fmt::format("{}: 'shape' must be an array of whole numbers", label));
  }
  if (raw.bad_dim) {
    return invalid(fmt::format("{}: 'shape' must hold whole numbers that are not negative", label));
  }
  tensor.dims = std::move(raw.dims);
  return read_data(raw, label, tensor);
}

Status Reader::read_output(const RawTensor& raw) {
  auto name = name_of(raw, "outputs");
  if (!name) return pass(name);
  if (!raw.parameters) return no_parameters(Label("output", *name));
  return read_wanted_output(*std::move(name), *raw.parameters, shared_, out_);
}

Status Reader::read() {
  if (!is_object_) return invalid("The body must be a JSON object.", {}, "invalid_type");
  if (id_) {
    const auto* text = std::get_if<std::string_view>(&*id_);
    if (!text || text->size() > kMaxIdBytes) {
      return invalid(fmt::format("'id' must be a string of at most {} bytes", kMaxIdBytes), "id");
    }
    out_.id = *text;
  }
  if (!parameters_) return no_parameters("the request");
  if (Status done = read_infer_parameters(*parameters_, request_, out_); !done) return done;
  const auto not_a_list = [](const char* key) {
    return invalid(fmt::format("'{}' must be an array of at most {} tensors", key, kMaxTensors),
                   key);
  };
  if (!inputs_.is_list) return not_a_list("inputs");
  request_.inputs.reserve(inputs_.tensors.size());
  for (RawTensor& raw : inputs_.tensors) {
    if (Status done = read_input(raw); !done) return done;
  }
  if (outputs_.is_there && !outputs_.is_list) return not_a_list("outputs");
  for (const RawTensor& raw : outputs_.tensors) {
    if (Status done = read_output(raw); !done) return done;
  }
  if (rest_.empty()) return {};
  return invalid(fmt::format("{} bytes of the body belong to no input", rest_.size()));
}

std::unexpected<Error> invalid_json(std::string_view text) {
  const auto parsed = parse_json(text, kHeadLimits);
  if (!parsed) return std::unexpected(parsed.error());
  return invalid("Invalid JSON.", {}, "invalid_json");
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

Status read_infer_parameters(const Parameters& parameters, serving::TensorRequest& request,
                             InferHead& head) {
  const Label label("parameters");
  for (const auto& [name, value] : parameters) {
    if (name == "triton_enable_empty_final_response") {
      // Every answer here is one response, and the last.
      if (!std::holds_alternative<bool>(value))
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

Status read_wanted_output(std::string name, const Parameters& parameters,
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

Result<std::optional<serving::SharedPiece>> read_shared_piece(const Parameters& parameters,
                                                              const serving::SharedMemory* shared,
                                                              const Label& label) {
  const JsonScalar* region = parameters.find("shared_memory_region");
  if (!region) return std::nullopt;
  if (!shared) {
    return invalid(fmt::format("{}: shared memory is not served; the server must be started with "
                               "--enable-shared-memory",
                               label),
                   "shared_memory_region", "unsupported_parameter");
  }
  const auto* name = std::get_if<std::string_view>(region);
  if (!name) {
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
  return serving::SharedPiece{.region = std::string(*name),
                              .offset = static_cast<std::uint64_t>(offset->value_or(0)),
                              .byte_size = static_cast<std::uint64_t>(**size)};
}

Result<std::size_t> json_bytes(const net::HttpRequest& http) {
  const std::string_view field = http.header(kHeadLength);
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

Result<InferHead> parse_infer(net::HttpRequest& http, serving::TensorRequest& request,
                              const serving::SharedMemory* shared) {
  const std::string_view encoding = http.header("content-encoding");
  if (!encoding.empty() && encoding != "identity") {
    return invalid("Compressed request bodies are not accepted.", {}, "unsupported_media_type");
  }
  const auto length = json_bytes(http);
  if (!length) return std::unexpected(length.error());
  const bool raw = *length == 0 && !http.header(kHeadLength).empty();
  auto storage = std::make_shared<Storage>(std::move(http.body));
  request.owner = storage;
  if (raw) {
    if (Status done = read_raw(*storage, request); !done) return pass(done);
    return InferHead{.all_binary = true};
  }
  const std::string_view body = storage->body;
  const std::string_view text = body.substr(0, *length);
  Reader reader(text, *storage, body.substr(*length), request, shared);
  if (!reader.scan()) return invalid_json(text);
  if (Status done = reader.read(); !done) return pass(done);
  return reader.take();
}

}  // namespace millrace::api
