#include "api/nested_tensor.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <optional>

#include "api/base64.h"
#include "api/json_writer.h"
#include "api/kserve/datatypes.h"
#include "api/kserve/tensor_json.h"
#include "api/lenient_json.h"

namespace millrace::api {
namespace {

template <class T>
T read(std::span<const std::byte> data, std::size_t i) {
  T value;
  std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
  return value;
}

template <class T>
void append_value(std::vector<std::byte>& out, T value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

// Reads one tensor; the first row decides the shape that all others must have.
class Reader {
 public:
  Reader(DType dtype, const std::string& label) : dtype_(dtype), label_(label) {}

  Status read(const json::value& value, std::size_t depth) {
    if (const auto* array = value.if_array()) return read_array(*array, depth);
    if (depth_known_ && depth != dims_.size()) return uneven();
    depth_known_ = true;
    if (const auto special = special_number(value)) return read_special(*special);
    if (is_binary_string(value)) return read_binary(value);
    if (append_json_element(value, dtype_, data_)) return {};
    return invalid(fmt::format("{} holds a value that is no {}", label_, datatype_name(dtype_)),
                   label_);
  }
  NestedTensor take() { return {.dims = std::move(dims_), .data = std::move(data_)}; }
  void set_rows(std::size_t count) { dims_.push_back(static_cast<std::int64_t>(count)); }

 private:
  std::unexpected<Error> uneven() const {
    return invalid(fmt::format("{}: arrays of one depth must have one length", label_), label_);
  }
  Status read_array(const json::array& array, std::size_t depth) {
    const auto length = static_cast<std::int64_t>(array.size());
    if (depth == dims_.size() && !depth_known_) {
      if (depth == static_cast<std::size_t>(kMaxRank)) {
        return invalid(fmt::format("{} has more than {} dimensions", label_, kMaxRank), label_);
      }
      dims_.push_back(length);
      if (length == 0) depth_known_ = true;
    } else if (depth >= dims_.size() || dims_[depth] != length) {
      return uneven();
    }
    for (const json::value& value : array) {
      if (Status done = read(value, depth + 1); !done) return done;
    }
    return {};
  }
  Status read_special(double value) {
    if (dtype_ == DType::f32) {
      append_value(data_, static_cast<float>(value));
    } else if (dtype_ == DType::f64) {
      append_value(data_, value);
    } else {
      return invalid(fmt::format("{}: NaN and infinity are no {}", label_, datatype_name(dtype_)),
                     label_);
    }
    return {};
  }
  Status read_binary(const json::value& value) {
    if (dtype_ != DType::bytes) {
      return invalid(fmt::format("{} takes {}, no binary strings", label_, datatype_name(dtype_)),
                     label_);
    }
    const auto decoded = decode_base64(value.as_object().at("b64").as_string());
    if (!decoded) return invalid(fmt::format("{}: 'b64' is not base64", label_), label_);
    append_bytes_element(data_, *decoded);
    return {};
  }

  const DType dtype_;
  const std::string& label_;
  std::vector<std::int64_t> dims_;
  std::vector<std::byte> data_;
  bool depth_known_ = false;
};

template <class T>
void append_integer(std::string& out, std::span<const std::byte> data, std::size_t i) {
  fmt::format_to(std::back_inserter(out), "{}", read<T>(data, i));
}

}  // namespace

bool is_binary_string(const json::value& value) {
  const auto* object = value.if_object();
  const json::value* text = object && object->size() == 1 ? object->if_contains("b64") : nullptr;
  return text && text->is_string();
}

Status check_nested(DType dtype, const std::string& label) {
  if (fits_json(dtype)) return {};
  return invalid(fmt::format("{} is {}, which JSON does not carry; use KServe v2 with binary data",
                             label, datatype_name(dtype)),
                 label);
}

Result<NestedTensor> tensor_from_nested(const json::value& value, DType dtype,
                                        const std::string& label) {
  if (Status fits = check_nested(dtype, label); !fits) return pass(fits);
  Reader reader(dtype, label);
  if (Status done = reader.read(value, 0); !done) return pass(done);
  return reader.take();
}

Result<NestedTensor> tensor_from_rows(std::span<const json::value* const> rows, DType dtype,
                                      const std::string& label) {
  if (Status fits = check_nested(dtype, label); !fits) return pass(fits);
  Reader reader(dtype, label);
  reader.set_rows(rows.size());
  for (const json::value* row : rows) {
    if (Status done = reader.read(*row, 1); !done) return pass(done);
  }
  return reader.take();
}

int add_trailing_ones(const TensorSpec& spec, std::vector<std::int64_t>& dims) {
  const auto want = spec.shape.dims();
  if (spec.any_rank || dims.empty() || dims.size() >= want.size()) return 0;
  for (std::size_t i = dims.size(); i < want.size(); ++i) {
    if (want[i] != 1) return 0;
  }
  const std::size_t added = want.size() - dims.size();
  dims.insert(dims.end(), added, 1);
  return static_cast<int>(added);
}

NestedWriter::NestedWriter(DType dtype, std::span<const std::byte> data, bool as_base64)
    : dtype_(dtype), data_(data), as_base64_(as_base64) {
  if (dtype == DType::bytes) strings_ = bytes_elements(data);
}

void NestedWriter::append(std::string& out, std::span<const std::int64_t> dims,
                          std::int64_t first) const {
  if (dims.empty()) return append_element(out, static_cast<std::size_t>(first));
  std::int64_t stride = 1;
  for (const std::int64_t dim : dims.subspan(1)) stride *= dim;
  out += '[';
  for (std::int64_t i = 0; i < dims[0]; ++i) {
    if (i > 0) out += ',';
    append(out, dims.subspan(1), first + i * stride);
  }
  out += ']';
}

void NestedWriter::append_element(std::string& out, std::size_t i) const {
  switch (dtype_) {
    case DType::f32:
      return append_lenient_number(out, read<float>(data_, i));
    case DType::f64:
      return append_lenient_number(out, read<double>(data_, i));
    case DType::i8:
      return append_integer<std::int8_t>(out, data_, i);
    case DType::i16:
      return append_integer<std::int16_t>(out, data_, i);
    case DType::i32:
      return append_integer<std::int32_t>(out, data_, i);
    case DType::i64:
      return append_integer<std::int64_t>(out, data_, i);
    case DType::u8:
      return append_integer<std::uint8_t>(out, data_, i);
    case DType::u16:
      return append_integer<std::uint16_t>(out, data_, i);
    case DType::u32:
      return append_integer<std::uint32_t>(out, data_, i);
    case DType::u64:
      return append_integer<std::uint64_t>(out, data_, i);
    case DType::boolean:
      out += read<std::uint8_t>(data_, i) ? "true" : "false";
      return;
    default:
      break;
  }
  if (!as_base64_) return append_json_string(out, strings_[i]);
  out += R"({"b64":")";
  append_base64(out, strings_[i]);
  out += "\"}";
}

}  // namespace millrace::api
