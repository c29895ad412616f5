#include "api/grpc/tf_message.h"

#include <fmt/format.h>

#include <cstring>
#include <deque>
#include <forward_list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/grpc/wire_size.h"
#include "api/kserve/infer_response.h"
#include "api/kserve/tensor_json.h"

namespace millrace::api {
namespace {

using tensorflow::TensorProto;
using tensorflow::serving::PredictRequest;

struct Type {
  DType dtype;
  tensorflow::DataType tf;
};
constexpr Type kTypes[] = {
    {DType::f32, tensorflow::DT_FLOAT},    {DType::f64, tensorflow::DT_DOUBLE},
    {DType::f16, tensorflow::DT_HALF},     {DType::bf16, tensorflow::DT_BFLOAT16},
    {DType::i8, tensorflow::DT_INT8},      {DType::i16, tensorflow::DT_INT16},
    {DType::i32, tensorflow::DT_INT32},    {DType::i64, tensorflow::DT_INT64},
    {DType::u8, tensorflow::DT_UINT8},     {DType::u16, tensorflow::DT_UINT16},
    {DType::u32, tensorflow::DT_UINT32},   {DType::u64, tensorflow::DT_UINT64},
    {DType::boolean, tensorflow::DT_BOOL}, {DType::bytes, tensorflow::DT_STRING}};

std::optional<DType> dtype_of(tensorflow::DataType tf) {
  for (const Type& type : kTypes) {
    if (type.tf == tf) return type.dtype;
  }
  return std::nullopt;
}

// Keeps what the inputs' views look at.
struct Storage {
  std::shared_ptr<const PredictRequest> message;
  std::deque<std::vector<std::byte>> converted;
};

using Data = Result<std::span<const std::byte>>;

class TensorReader {
 public:
  TensorReader(Storage& storage, const TensorProto& tensor, std::string label)
      : storage_(storage), tensor_(tensor), label_(std::move(label)) {}

  Result<std::vector<std::int64_t>> dims();
  Data data(DType dtype, const std::vector<std::int64_t>& dims);

 private:
  Result<std::size_t> num_elements(DType dtype, const std::vector<std::int64_t>& dims) const;
  template <class T, class Values>
  Data spread(const Values& values, std::size_t count);
  Data strings(std::size_t count);

  Storage& storage_;
  const TensorProto& tensor_;
  const std::string label_;
};

Result<std::vector<std::int64_t>> TensorReader::dims() {
  if (tensor_.tensor_shape().unknown_rank()) {
    return invalid(label_ + ": 'tensor_shape' must say how many dimensions there are");
  }
  std::vector<std::int64_t> dims;
  for (const auto& dim : tensor_.tensor_shape().dim()) dims.push_back(dim.size());
  return dims;
}

// Bounded, as values may be fewer than elements.
Result<std::size_t> TensorReader::num_elements(DType dtype,
                                               const std::vector<std::int64_t>& dims) const {
  const auto width = dtype == DType::bytes ? std::size_t{4} : dtype_block_bytes(dtype);
  std::int64_t product = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product)) {
      return invalid(label_ + ": 'tensor_shape' has a negative size, or is too large");
    }
  }
  if (static_cast<std::uint64_t>(product) > kMaxParsedBytes / width) {
    return invalid(label_ + ": 'tensor_shape' is too large");
  }
  return static_cast<std::size_t>(product);
}

// As TensorFlow reads them: the last value stands for those that are not there.
template <class T, class Values>
Data TensorReader::spread(const Values& values, std::size_t count) {
  const auto given = static_cast<std::size_t>(values.size());
  if (given > count) {
    return invalid(
        fmt::format("{}: {} values, but the shape has {} elements", label_, given, count));
  }
  auto& out = storage_.converted.emplace_back(count * sizeof(T));
  T last{};
  for (std::size_t i = 0; i < count; ++i) {
    if (i < given) {
      const auto value = values[static_cast<int>(i)];
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        if (!std::in_range<T>(value)) {
          return invalid(label_ + ": a value does not fit the type");
        }
      }
      last = static_cast<T>(value);
    }
    std::memcpy(out.data() + i * sizeof last, &last, sizeof last);
  }
  return std::span<const std::byte>(out);
}

Data TensorReader::strings(std::size_t count) {
  const auto given = static_cast<std::size_t>(tensor_.string_val_size());
  if (given > count) {
    return invalid(
        fmt::format("{}: {} values, but the shape has {} elements", label_, given, count));
  }
  auto& out = storage_.converted.emplace_back();
  for (std::size_t i = 0; i < count; ++i) {
    // A long last value is not multiplied beyond what may be sent.
    if (out.size() > kMaxParsedBytes)
      return invalid(label_ + ": its strings are too long together");
    const std::size_t at = std::min(i + 1, given);
    append_bytes_element(out, at > 0 ? tensor_.string_val(static_cast<int>(at - 1)) : "");
  }
  return std::span<const std::byte>(out);
}

Data TensorReader::data(DType dtype, const std::vector<std::int64_t>& dims) {
  const std::string& content = tensor_.tensor_content();
  if (!content.empty()) {
    if (dtype != DType::bytes) return std::as_bytes(std::span(content));
    return invalid(label_ + ": strings go in 'string_val', not in 'tensor_content'");
  }
  const auto count = num_elements(dtype, dims);
  if (!count) return std::unexpected(count.error());
  switch (dtype) {
    case DType::f32:
      return spread<float>(tensor_.float_val(), *count);
    case DType::f64:
      return spread<double>(tensor_.double_val(), *count);
    case DType::f16:
    case DType::bf16:
      return spread<std::uint16_t>(tensor_.half_val(), *count);
    case DType::i8:
      return spread<std::int8_t>(tensor_.int_val(), *count);
    case DType::i16:
      return spread<std::int16_t>(tensor_.int_val(), *count);
    case DType::i32:
      return spread<std::int32_t>(tensor_.int_val(), *count);
    case DType::i64:
      return spread<std::int64_t>(tensor_.int64_val(), *count);
    case DType::u8:
      return spread<std::uint8_t>(tensor_.int_val(), *count);
    case DType::u16:
      return spread<std::uint16_t>(tensor_.int_val(), *count);
    case DType::u32:
      return spread<std::uint32_t>(tensor_.uint32_val(), *count);
    case DType::u64:
      return spread<std::uint64_t>(tensor_.uint64_val(), *count);
    case DType::boolean:
      return spread<bool>(tensor_.bool_val(), *count);
    default:
      return strings(*count);
  }
}

Status read_tensor(Storage& storage, const std::string& name, const TensorProto& proto,
                   serving::TensorRequest& request) {
  TensorReader reader(storage, proto, "input " + safe_name(name));
  const auto dtype = dtype_of(proto.dtype());
  if (!dtype) {
    return invalid(fmt::format("input {}: values of dtype {} are not served", safe_name(name),
                               static_cast<int>(proto.dtype())),
                   name);
  }
  auto dims = reader.dims();
  if (!dims) return pass(dims);
  const auto data = reader.data(*dtype, *dims);
  if (!data) return std::unexpected(data.error());
  request.inputs.push_back(
      {.name = name, .dtype = *dtype, .dims = *std::move(dims), .data = *data});
  return {};
}

template <class T, class Values>
void add_values(std::span<const std::byte> data, Values& values) {
  values.Reserve(static_cast<int>(data.size() / sizeof(T)));
  for (std::size_t at = 0; at + sizeof(T) <= data.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, data.data() + at, sizeof value);
    values.Add(value);
  }
}

void add_all(const ShownOutput& output, TensorProto& out) {
  switch (output.dtype) {
    case DType::f32:
      return add_values<float>(output.data, *out.mutable_float_val());
    case DType::f64:
      return add_values<double>(output.data, *out.mutable_double_val());
    case DType::f16:
    case DType::bf16:
      return add_values<std::uint16_t>(output.data, *out.mutable_half_val());
    case DType::i8:
      return add_values<std::int8_t>(output.data, *out.mutable_int_val());
    case DType::i16:
      return add_values<std::int16_t>(output.data, *out.mutable_int_val());
    case DType::i32:
      return add_values<std::int32_t>(output.data, *out.mutable_int_val());
    case DType::i64:
      return add_values<std::int64_t>(output.data, *out.mutable_int64_val());
    case DType::u8:
      return add_values<std::uint8_t>(output.data, *out.mutable_int_val());
    case DType::u16:
      return add_values<std::uint16_t>(output.data, *out.mutable_int_val());
    case DType::u32:
      return add_values<std::uint32_t>(output.data, *out.mutable_uint32_val());
    case DType::u64:
      return add_values<std::uint64_t>(output.data, *out.mutable_uint64_val());
    case DType::boolean:
      for (const std::byte b : output.data) out.add_bool_val(b != std::byte{0});
      return;
    default:
      for (const std::string_view text : bytes_elements(output.data)) {
        out.add_string_val(std::string(text));
      }
  }
}

}  // namespace

tensorflow::DataType tf_type(DType dtype) {
  for (const Type& type : kTypes) {
    if (type.dtype == dtype) return type.tf;
  }
  return tensorflow::DT_INVALID;
}

tensorflow::TensorInfo tf_info(const TensorSpec& spec) {
  tensorflow::TensorInfo info;
  info.set_name(spec.name);
  info.set_dtype(tf_type(spec.dtype));
  if (spec.any_rank) info.mutable_tensor_shape()->set_unknown_rank(true);
  for (const std::int64_t dim : spec.shape.dims()) {
    info.mutable_tensor_shape()->add_dim()->set_size(dim);
  }
  return info;
}

Result<InferHead> read_predict(std::shared_ptr<const PredictRequest> message,
                               serving::TensorRequest& request) {
  auto storage = std::make_shared<Storage>(std::move(message));
  request.owner = storage;
  if (storage->message->inputs().size() > kMaxTensors) {
    return invalid(fmt::format("a request has at most {} inputs", kMaxTensors), "inputs");
  }
  for (const auto& [name, tensor] : storage->message->inputs()) {
    if (Status done = read_tensor(*storage, name, tensor, request); !done) return pass(done);
  }
  InferHead head{.all_binary = true};
  for (const std::string& name : storage->message->output_filter()) {
    if (Status done = read_wanted_output(name, {}, nullptr, head); !done) return pass(done);
  }
  return head;
}

Result<tensorflow::serving::PredictResponse> write_predict(const serving::Model& model,
                                                           const InferHead& head,
                                                           const serving::TensorAnswer& answer) {
  std::forward_list<Classes> storage;
  const auto shown = choose_outputs(model, head, answer, nullptr, storage);
  if (!shown) return std::unexpected(shown.error());
  tensorflow::serving::PredictResponse response;
  for (const ShownOutput& output : *shown) {
    TensorProto& tensor = (*response.mutable_outputs())[*output.name];
    tensor.set_dtype(tf_type(output.dtype));
    auto& shape = *tensor.mutable_tensor_shape();
    for (const std::int64_t dim : output.shape.dims()) shape.add_dim()->set_size(dim);
    add_all(output, tensor);
  }
  return response;
}

}  // namespace millrace::api
