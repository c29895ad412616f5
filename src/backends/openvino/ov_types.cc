#include "backends/openvino/ov_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <sstream>

namespace millrace::backends {
namespace {

struct Pair {
  DType ours;
  ov::element::Type_t theirs;
};

constexpr Pair kPairs[] = {
    {DType::f32, ov::element::Type_t::f32},         {DType::f16, ov::element::Type_t::f16},
    {DType::bf16, ov::element::Type_t::bf16},       {DType::f64, ov::element::Type_t::f64},
    {DType::i8, ov::element::Type_t::i8},           {DType::i16, ov::element::Type_t::i16},
    {DType::i32, ov::element::Type_t::i32},         {DType::i64, ov::element::Type_t::i64},
    {DType::u8, ov::element::Type_t::u8},           {DType::u16, ov::element::Type_t::u16},
    {DType::u32, ov::element::Type_t::u32},         {DType::u64, ov::element::Type_t::u64},
    {DType::boolean, ov::element::Type_t::boolean}, {DType::bytes, ov::element::Type_t::string},
};

// The name the file gives. ONNX's are the nodes' (an output's is on its Result:
// "logits/sink_port_0"): where an operator falls away, its tensor takes over the names of another.
// Elsewhere they are the tensor's, and it may have gathered several.
std::string name_of(const ov::Output<const ov::Node>& port, bool is_onnx) {
  const auto& names = port.get_names();
  std::string own = port.get_node()->get_friendly_name();
  own.resize(std::min(own.size(), own.rfind("/sink_port_")));
  if (is_onnx || names.empty() || names.contains(own)) return own;
  return port.get_any_name();
}

bool copy_strings(const InputTensor& from, ov::Tensor& to) {
  auto* out = to.data<std::string>();
  std::size_t left = to.get_size();
  for (std::span<const std::byte> part : from.parts) {
    while (!part.empty()) {
      std::uint32_t length = 0;
      if (left == 0 || part.size() < sizeof length) return false;
      std::memcpy(&length, part.data(), sizeof length);
      part = part.subspan(sizeof length);
      if (part.size() < length) return false;
      out->assign(reinterpret_cast<const char*>(part.data()), length);
      part = part.subspan(length);
      ++out;
      --left;
    }
  }
  return left == 0;
}

}  // namespace

std::optional<DType> dtype_of(const ov::element::Type& type) {
  for (const Pair& pair : kPairs) {
    if (type == pair.theirs) return pair.ours;
  }
  return std::nullopt;
}

ov::element::Type element_type_of(DType type) {
  for (const Pair& pair : kPairs) {
    if (type == pair.ours) return pair.theirs;
  }
  return ov::element::Type_t::dynamic;
}

Result<TensorSpec> spec_of(const ov::Output<const ov::Node>& port, const char* role, bool is_onnx) {
  TensorSpec spec{.name = name_of(port, is_onnx)};
  const auto dtype = dtype_of(port.get_element_type());
  if (!dtype) {
    return invalid(fmt::format("{} '{}' has elements of type {}, which clients cannot send or read",
                               role, spec.name, port.get_element_type().get_type_name()));
  }
  spec.dtype = *dtype;
  const ov::PartialShape& shape = port.get_partial_shape();
  if (shape.rank().is_dynamic()) {
    spec.any_rank = true;
    return spec;
  }
  if (shape.size() > static_cast<std::size_t>(kMaxRank)) {
    return invalid(fmt::format("{} '{}' has {} dimensions; at most {} are served", role, spec.name,
                               shape.size(), kMaxRank));
  }
  std::vector<std::int64_t> dims;
  for (const ov::Dimension& dim : shape) dims.push_back(dim.is_static() ? dim.get_length() : -1);
  spec.shape = Shape(dims);
  return spec;
}

std::string reason_of(const char* what) {
  std::string reason;
  std::istringstream lines(what);
  for (std::string line; reason.size() < 400 && std::getline(lines, line);) {
    const bool says_where = line.starts_with("Exception from ") || line.starts_with("Check '") ||
                            line.starts_with("FrontEnd API failed") || line.starts_with("Summary:");
    if (says_where) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word.find('/') != std::string::npos) continue;
      if (!reason.empty()) reason += ' ';
      reason += word;
    }
  }
  return reason.substr(0, 400);
}

bool copy_in(const InputTensor& from, ov::Tensor& to) {
  if (to.get_element_type() == ov::element::string) return copy_strings(from, to);
  auto* out = static_cast<std::byte*>(to.data());
  std::size_t left = to.get_byte_size();
  for (const std::span<const std::byte> part : from.parts) {
    if (part.size() > left) return false;
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    out += part.size();
    left -= part.size();
  }
  return left == 0;
}

}  // namespace millrace::backends
