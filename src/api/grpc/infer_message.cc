#include "api/grpc/infer_message.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>

#include <deque>
#include <forward_list>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/infer_response.h"
#include "api/kserve/tensor_json.h"

namespace millrace::api {
namespace {

using inference::InferTensorContents;
using inference::ModelInferRequest;
using Map = google::protobuf::Map<std::string, inference::InferParameter>;

// Keeps what the inputs' views look at.
struct Storage {
  std::shared_ptr<const InferWire> wire;
  std::deque<std::vector<std::byte>> converted;
  std::deque<std::string> from_shared;
};

Parameters parameters_of(const Map& map) {
  Parameters out;
  for (const auto& [name, value] : map) {
    switch (value.parameter_choice_case()) {
      case inference::InferParameter::kBoolParam:
        out.add(name, value.bool_param());
        break;
      case inference::InferParameter::kInt64Param:
        out.add(name, std::int64_t{value.int64_param()});
        break;
      case inference::InferParameter::kUint64Param:
        if (std::in_range<std::int64_t>(value.uint64_param())) {
          out.add(name, static_cast<std::int64_t>(value.uint64_param()));
        } else {
          out.add(name, std::uint64_t{value.uint64_param()});
        }
        break;
      case inference::InferParameter::kDoubleParam:
        out.add(name, value.double_param());
        break;
      case inference::InferParameter::kStringParam:
        out.add(name, std::string_view(value.string_param()));
        break;
      case inference::InferParameter::PARAMETER_CHOICE_NOT_SET:
        out.add(name, {});
        break;
    }
  }
  return out;
}

template <class Values>
std::span<const std::byte> view(const Values& values) {
  return std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.size())));
}

// Into a narrower type; empty where a value does not fit.
template <class T, class Values>
bool narrow(const Values& values, std::vector<std::byte>& out) {
  out.reserve(static_cast<std::size_t>(values.size()) * sizeof(T));
  for (const auto value : values) {
    if (!std::in_range<T>(value)) return false;
    const T narrowed = static_cast<T>(value);
    const auto* bytes = reinterpret_cast<const std::byte*>(&narrowed);
    out.insert(out.end(), bytes, bytes + sizeof narrowed);
  }
  return true;
}

int fields_in_use(const InferTensorContents& c) {
  return (c.bool_contents_size() > 0) + (c.int_contents_size() > 0) +
         (c.int64_contents_size() > 0) + (c.uint_contents_size() > 0) +
         (c.uint64_contents_size() > 0) + (c.fp32_contents_size() > 0) +
         (c.fp64_contents_size() > 0) + (c.bytes_contents_size() > 0);
}

class Reader {
 public:
  Reader(Storage& storage, serving::TensorRequest& request, const serving::SharedMemory* shared)
      : storage_(storage), request_(request), shared_(shared) {}

  Result<InferHead> read();

 private:
  using Data = Result<std::span<const std::byte>>;

  Status read_input(const ModelInferRequest::InferInputTensor& input);
  Data data_of(const ModelInferRequest::InferInputTensor& input, DType dtype,
               const std::string& label);
  Data typed(const InferTensorContents& contents, DType dtype, const std::string& label);
  template <class T, class Values>
  Data narrowed(const Values& values, const std::string& label, DType dtype);

  Storage& storage_;
  serving::TensorRequest& request_;
  const serving::SharedMemory* shared_;
  std::size_t num_raw_taken_ = 0;
};

template <class T, class Values>
Reader::Data Reader::narrowed(const Values& values, const std::string& label, DType dtype) {
  auto& out = storage_.converted.emplace_back();
  if (narrow<T>(values, out)) return std::span<const std::byte>(out);
  return invalid(
      fmt::format("{}: 'contents' holds a value that is no {}", label, datatype_name(dtype)));
}

Reader::Data Reader::typed(const InferTensorContents& c, DType dtype, const std::string& label) {
  const auto only = [&](auto data, int used) -> Data {
    if (fields_in_use(c) == (used > 0 ? 1 : 0)) return data;
    return invalid(fmt::format("{}: 'contents' has values in a field that {} does not use", label,
                               datatype_name(dtype)));
  };
  const auto small = [&]<class T>(T, const auto& values) -> Data {
    auto data = narrowed<T>(values, label, dtype);
    return data ? only(*data, values.size()) : data;
  };
  switch (dtype) {
    case DType::boolean:
      return only(view(c.bool_contents()), c.bool_contents_size());
    case DType::i8:
      return small(std::int8_t{}, c.int_contents());
    case DType::i16:
      return small(std::int16_t{}, c.int_contents());
    case DType::i32:
      return only(view(c.int_contents()), c.int_contents_size());
    case DType::i64:
      return only(view(c.int64_contents()), c.int64_contents_size());
    case DType::u8:
      return small(std::uint8_t{}, c.uint_contents());
    case DType::u16:
      return small(std::uint16_t{}, c.uint_contents());
    case DType::u32:
      return only(view(c.uint_contents()), c.uint_contents_size());
    case DType::u64:
      return only(view(c.uint64_contents()), c.uint64_contents_size());
    case DType::f32:
      return only(view(c.fp32_contents()), c.fp32_contents_size());
    case DType::f64:
      return only(view(c.fp64_contents()), c.fp64_contents_size());
    case DType::bytes: {
      auto& out = storage_.converted.emplace_back();
      for (const std::string& text : c.bytes_contents()) append_bytes_element(out, text);
      return only(std::span<const std::byte>(out), c.bytes_contents_size());
    }
    default:
      return invalid(fmt::format("{}: {} values go in 'raw_input_contents' only", label,
                                 datatype_name(dtype)));
  }
}

Reader::Data Reader::data_of(const ModelInferRequest::InferInputTensor& input, DType dtype,
                             const std::string& label) {
  const std::vector<std::string_view>& raw = storage_.wire->raw;
  const bool has_contents = input.has_contents() && fields_in_use(input.contents()) > 0;
  const auto piece = read_shared_piece(parameters_of(input.parameters()), shared_, label);
  if (!piece) return std::unexpected(piece.error());
  if (*piece) {
    if (has_contents) return invalid(label + " has both 'contents' and shared memory");
    auto bytes = shared_->read(**piece);
    if (!bytes) return pass(bytes);
    return std::as_bytes(std::span(storage_.from_shared.emplace_back(*std::move(bytes))));
  }
  if (raw.empty()) return typed(input.contents(), dtype, label);
  if (has_contents) {
    return invalid(label + " has 'contents', but the request has 'raw_input_contents' too");
  }
  if (num_raw_taken_ == raw.size()) {
    return invalid(
        fmt::format("'raw_input_contents' has {} entries, fewer than there are inputs", raw.size()),
        "raw_input_contents");
  }
  return std::as_bytes(std::span(raw[num_raw_taken_++]));
}

Status Reader::read_input(const ModelInferRequest::InferInputTensor& input) {
  const std::string label = "input " + safe_name(input.name());
  const auto dtype = dtype_of_name(input.datatype());
  if (!dtype) {
    return invalid(fmt::format("{}: 'datatype' must be one of BOOL, UINT8 to UINT64, INT8 to "
                               "INT64, FP16, BF16, FP32, FP64, BYTES",
                               label),
                   input.name());
  }
  serving::NamedTensor tensor{.name = input.name(), .dtype = *dtype};
  tensor.dims.assign(input.shape().begin(), input.shape().end());
  const auto data = data_of(input, *dtype, label);
  if (!data) return std::unexpected(data.error());
  tensor.data = *data;
  request_.inputs.push_back(std::move(tensor));
  return {};
}

Result<InferHead> Reader::read() {
  const ModelInferRequest& message = storage_.wire->head;
  const std::size_t num_raw = storage_.wire->raw.size();
  InferHead head{.id = message.id(), .all_binary = true};
  if (head.id.size() > kMaxIdBytes) {
    return invalid(fmt::format("'id' must be a string of at most {} bytes", kMaxIdBytes), "id");
  }
  if (Status done = read_infer_parameters(parameters_of(message.parameters()), request_, head);
      !done) {
    return pass(done);
  }
  head.all_binary = true;
  const auto most = static_cast<int>(kMaxTensors);
  if (message.inputs_size() > most || message.outputs_size() > most || num_raw > kMaxTensors) {
    return invalid(fmt::format("a request has at most {} inputs and outputs", kMaxTensors));
  }
  for (const auto& input : message.inputs()) {
    if (Status done = read_input(input); !done) return pass(done);
  }
  if (num_raw_taken_ < num_raw) {
    return invalid(
        fmt::format("'raw_input_contents' has {} entries, more than there are inputs", num_raw),
        "raw_input_contents");
  }
  for (const auto& output : message.outputs()) {
    if (Status done =
            read_wanted_output(output.name(), parameters_of(output.parameters()), shared_, head);
        !done) {
      return pass(done);
    }
  }
  return head;
}

// Fields that are written by hand, so that tensors are copied once: number and wire type 2.
constexpr char kRawOutput = (6 << 3) | 2;
constexpr char kInferResponse = (2 << 3) | 2;

void append_length(std::string& out, std::size_t length) {
  while (length >= 0x80) {
    out += static_cast<char>(length | 0x80);
    length >>= 7;
  }
  out += static_cast<char>(length);
}

std::size_t delimited_size(std::size_t length) {
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize64(length) + length;
}

void describe(const ShownOutput& output, inference::ModelInferResponse::InferOutputTensor& out) {
  out.set_name(*output.name);
  out.set_datatype(datatype_name(output.dtype));
  for (const std::int64_t dim : output.shape.dims()) out.add_shape(dim);
  if (!output.shared) return;
  auto& parameters = *out.mutable_parameters();
  parameters["shared_memory_region"].set_string_param(output.shared->region);
  parameters["shared_memory_byte_size"].set_int64_param(
      static_cast<std::int64_t>(output.byte_size));
  if (output.shared->offset > 0) {
    parameters["shared_memory_offset"].set_int64_param(
        static_cast<std::int64_t>(output.shared->offset));
  }
}

}  // namespace

Result<InferHead> read_infer(std::shared_ptr<const InferWire> wire, serving::TensorRequest& request,
                             const serving::SharedMemory* shared) {
  auto storage = std::make_shared<Storage>(std::move(wire));
  request.owner = storage;
  return Reader(*storage, request, shared).read();
}

Result<std::string> write_infer(const serving::Model& model, const InferHead& head,
                                const serving::TensorAnswer& answer,
                                const serving::SharedMemory* shared, Framing framing) {
  std::forward_list<Classes> storage;
  const auto shown = choose_outputs(model, head, answer, shared, storage);
  if (!shown) return std::unexpected(shown.error());
  inference::ModelInferResponse message;
  message.set_model_name(model.name());
  message.set_model_version(model.version());
  message.set_id(head.id);
  std::size_t size = 0;
  for (const ShownOutput& output : *shown) {
    describe(output, *message.add_outputs());
    size += delimited_size(output.data.size());
  }
  const bool framed = framing == Framing::stream;
  if (framed) (*message.mutable_parameters())["triton_final_response"].set_bool_param(true);
  size += message.ByteSizeLong();
  std::string bytes;
  bytes.reserve(delimited_size(size));
  if (framed) {
    bytes += kInferResponse;
    append_length(bytes, size);
  }
  if (!message.AppendToString(&bytes)) return fail(ErrorKind::internal, "the answer is too large");
  // One entry an output, empty where it is in shared memory: clients count them.
  for (const ShownOutput& output : *shown) {
    bytes += kRawOutput;
    append_length(bytes, output.data.size());
    bytes.append(reinterpret_cast<const char*>(output.data.data()), output.data.size());
  }
  return bytes;
}

std::string write_stream_error(const std::string& model_name, const std::string& id,
                               const Error& error) {
  inference::ModelStreamInferResponse message;
  message.set_error_message(error.message);
  message.mutable_infer_response()->set_model_name(model_name);
  message.mutable_infer_response()->set_id(id);
  return message.SerializeAsString();
}

}  // namespace millrace::api
