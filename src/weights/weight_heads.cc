#include "weights/weight_heads.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/json.h"
#include "weights/file_errors.h"
#include "weights/gguf_types.h"
#include "weights/safetensors_header.h"
#include "weights/tensor_ranges.h"

namespace millrace::weights {
namespace {

// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, enum gguf_metadata_value_type
enum ValueType : std::uint32_t {
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

class Bytes {
 public:
  template <class T>
    requires std::is_arithmetic_v<T>
  void put(T value) {
    std::array<char, sizeof(T)> bytes;
    std::memcpy(bytes.data(), &value, sizeof(T));
    text_.append(bytes.data(), sizeof(T));
  }
  void type(ValueType type) { put(static_cast<std::uint32_t>(type)); }
  void text(std::string_view value) {
    put(std::uint64_t{value.size()});
    text_.append(value);
  }
  void pad(std::size_t alignment) {
    text_.resize((text_.size() + alignment - 1) / alignment * alignment, '\0');
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

bool is_f32(double x) {
  return static_cast<double>(static_cast<float>(x)) == x;
}

// One overload an alternative of MetaValue: type and value.
struct PutValue {
  Bytes& out;

  void operator()(bool flag) const {
    out.type(kBool);
    out.put(static_cast<std::uint8_t>(flag));
  }
  void operator()(std::int64_t number) const {
    const bool narrow = std::in_range<std::int32_t>(number);
    out.type(narrow ? kI32 : kI64);
    narrow ? out.put(static_cast<std::int32_t>(number)) : out.put(number);
  }
  void operator()(std::uint64_t number) const {
    const bool narrow = std::in_range<std::uint32_t>(number);
    out.type(narrow ? kU32 : kU64);
    narrow ? out.put(static_cast<std::uint32_t>(number)) : out.put(number);
  }
  void operator()(double number) const {
    out.type(is_f32(number) ? kF32 : kF64);
    is_f32(number) ? out.put(static_cast<float>(number)) : out.put(number);
  }
  void operator()(const std::string& text) const {
    out.type(kString);
    out.text(text);
  }
  void operator()(const std::vector<std::string>& texts) const {
    array(kString, texts.size());
    for (const std::string& text : texts) out.text(text);
  }
  void operator()(const std::vector<std::int64_t>& numbers) const {
    const bool narrow = std::ranges::all_of(
        numbers, [](std::int64_t number) { return std::in_range<std::int32_t>(number); });
    array(narrow ? kI32 : kI64, numbers.size());
    for (const std::int64_t number : numbers)
      narrow ? out.put(static_cast<std::int32_t>(number)) : out.put(number);
  }
  void operator()(const std::vector<double>& numbers) const {
    const bool narrow = std::ranges::all_of(numbers, is_f32);
    array(narrow ? kF32 : kF64, numbers.size());
    for (const double number : numbers)
      narrow ? out.put(static_cast<float>(number)) : out.put(number);
  }
  void array(ValueType of, std::size_t count) const {
    out.type(kArray);
    out.type(of);
    out.put(std::uint64_t{count});
  }
};

Result<std::uint64_t> bytes_of(const DeclaredTensor& tensor) {
  auto bytes = checked_tensor_bytes(tensor.dtype, tensor.shape);
  if (!bytes) bytes.error().message = "tensor " + tensor.name + ": " + bytes.error().message;
  return bytes;
}

constexpr std::array<std::pair<DType, std::string_view>, 11> kSafetensorsNames = {
    {{DType::f64, "F64"},
     {DType::f32, "F32"},
     {DType::f16, "F16"},
     {DType::bf16, "BF16"},
     {DType::i64, "I64"},
     {DType::i32, "I32"},
     {DType::i16, "I16"},
     {DType::i8, "I8"},
     {DType::u8, "U8"},
     {DType::u32, "U32"},
     {DType::boolean, "BOOL"}}};

bool is_own_block(DType type) {
  return type == DType::q4_1 || type == DType::q4_g64 || type == DType::q4_g128;
}

}  // namespace

Result<std::string> gguf_head(const Metadata& metadata,
                              const std::vector<DeclaredTensor>& tensors) {
  Bytes out;
  for (const char c : {'G', 'G', 'U', 'F'}) out.put(c);
  out.put(std::uint32_t{3});
  out.put(std::uint64_t{tensors.size()});
  out.put(std::uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    out.text(key);
    std::visit(PutValue{out}, value);
  }
  std::uint64_t offset = 0;
  for (const DeclaredTensor& tensor : tensors) {
    const auto type = gguf_type_of(tensor.dtype);
    if (!type) {
      return bad_file("tensor " + tensor.name + ": GGUF has no type " + dtype_name(tensor.dtype));
    }
    auto bytes = bytes_of(tensor);
    if (!bytes) return pass(bytes);
    out.text(tensor.name);
    const int rank = tensor.shape.rank();
    out.put(static_cast<std::uint32_t>(rank));
    for (int i = rank - 1; i >= 0; --i) out.put(tensor.shape[i]);
    out.put(*type);
    out.put(offset);
    offset += (*bytes + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment;
  }
  out.pad(kGgufAlignment);
  return out.take();
}

Result<std::string> safetensors_head(const Metadata& metadata,
                                     const std::vector<DeclaredTensor>& tensors) {
  json::object head, strings;
  for (const auto& [key, value] : metadata) {
    if (const auto* text = std::get_if<std::string>(&value)) strings[key] = *text;
  }
  std::uint64_t offset = 0;
  for (const DeclaredTensor& tensor : tensors) {
    auto bytes = bytes_of(tensor);
    if (!bytes) return pass(bytes);
    json::array shape;
    for (const std::int64_t dim : tensor.shape.dims()) shape.push_back(dim);
    DType stored = tensor.dtype;
    if (is_own_block(stored) && tensor.shape.rank() == 2) {
      strings[std::string(kKindKey) + tensor.name] = dtype_name(stored);
      stored = DType::u8;
      shape[1] = tensor.shape[1] / static_cast<std::int64_t>(dtype_block_elements(tensor.dtype)) *
                 static_cast<std::int64_t>(dtype_block_bytes(tensor.dtype));
    }
    const auto* name =
        std::ranges::find(kSafetensorsNames, stored, &std::pair<DType, std::string_view>::first);
    if (name == kSafetensorsNames.end()) {
      return bad_file("tensor " + tensor.name + ": safetensors have no type " + dtype_name(stored));
    }
    head[tensor.name] = {{"dtype", name->second},
                         {"shape", std::move(shape)},
                         {"data_offsets", {offset, offset + *bytes}}};
    offset += *bytes;
  }
  if (!strings.empty()) head["__metadata__"] = std::move(strings);
  std::string text = dump_json(head);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  Bytes out;
  out.put(std::uint64_t{text.size()});
  return out.take() + text;
}

}  // namespace millrace::weights
