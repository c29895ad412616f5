#include "backends/openvino/ov_strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <openvino/core/graph_util.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/parameter.hpp>
#include <optional>
#include <utility>

namespace millrace::backends {
namespace {

// Exact as any number that the device may compute in.
constexpr std::size_t kMostStrings = std::size_t{1} << 24;
constexpr std::size_t kMostOutputBytes = std::size_t{128} << 20;

// Operators whose outputs are elements of their inputs, or say only which are equal or how many
// there are.
constexpr std::string_view kMoving[] = {
    "Broadcast",       "Concat",        "Constant",     "Equal",    "Gather",
    "GatherElements",  "GatherND",      "Identity",     "NotEqual", "Pad",
    "Parameter",       "Reshape",       "Result",       "Reverse",  "ReverseSequence",
    "ScatterNDUpdate", "ScatterUpdate", "Select",       "ShapeOf",  "Slice",
    "Split",           "Squeeze",       "StridedSlice", "Tile",     "Transpose",
    "Unsqueeze",       "VariadicSplit"};

template <class Ports>
bool has_strings(const Ports& ports) {
  return std::ranges::any_of(
      ports, [](const auto& port) { return port.get_element_type() == ov::element::string; });
}

template <class Ports>
std::vector<bool> which_are_strings(const Ports& ports) {
  std::vector<bool> are;
  for (const auto& port : ports) are.push_back(port.get_element_type() == ov::element::string);
  return are;
}

// What the graph has of strings.
struct Strings {
  std::vector<std::shared_ptr<ov::op::v0::Constant>> constants;
  std::vector<std::shared_ptr<ov::op::v0::Parameter>> parameters;
  std::shared_ptr<ov::Node> maker;  // that does more than move and compare them
};

Strings find_strings(const ov::Model& graph) {
  Strings found;
  for (const auto& node : graph.get_ordered_ops()) {
    if (!has_strings(node->inputs()) && !has_strings(node->outputs())) continue;
    if (auto constant = std::dynamic_pointer_cast<ov::op::v0::Constant>(node)) {
      found.constants.push_back(std::move(constant));
    } else if (auto input = std::dynamic_pointer_cast<ov::op::v0::Parameter>(node)) {
      found.parameters.push_back(std::move(input));
    } else if (std::ranges::find(kMoving, node->get_type_info().name) == std::end(kMoving)) {
      found.maker = node;
    }
  }
  return found;
}

std::unexpected<Error> makes_strings(const ov::Model& graph, const ov::Node& maker) {
  std::string about = "it";
  for (const auto& output : graph.outputs()) {
    if (output.get_element_type() != ov::element::string) continue;
    const auto& names = output.get_names();
    about =
        fmt::format("output '{}' is of strings, and the graph",
                    names.empty() ? output.get_node()->get_input_node_ptr(0)->get_friendly_name()
                                  : *names.begin());
    break;
  }
  return invalid(
      fmt::format("{} does {} to strings: OpenVINO 2026.4 cannot hold strings safely, and this "
                  "server can only move and compare them for it",
                  about, maker.get_type_info().name));
}

}  // namespace

std::int32_t StringCodes::add(const std::string& text) {
  const auto found = code_of_.find(text);
  if (found != code_of_.end()) return found->second;
  const auto code = static_cast<std::int32_t>(texts_.size());
  code_of_.emplace(texts_.emplace_back(text), code);
  return code;
}

Result<std::shared_ptr<const StringCodes>> StringCodes::encode(ov::Model& graph) {
  const Strings strings = find_strings(graph);
  if (strings.maker) {
    const bool stay = strings.constants.empty() && !has_strings(graph.outputs());
    if (!stay) return makes_strings(graph, *strings.maker);
    return nullptr;
  }
  if (strings.constants.empty() && strings.parameters.empty()) return nullptr;
  auto codes = std::make_shared<StringCodes>();
  codes->inputs_ = which_are_strings(graph.inputs());
  codes->outputs_ = which_are_strings(graph.outputs());
  codes->add("");  // 0: what operators put where they have nothing
  for (const auto& constant : strings.constants) {
    const auto* texts = static_cast<const std::string*>(constant->get_data_ptr());
    std::vector<std::int32_t> numbers;
    for (std::size_t i = 0; i < ov::shape_size(constant->get_shape()); ++i) {
      numbers.push_back(codes->add(texts[i]));
    }
    if (codes->texts_.size() > kMostStrings) return invalid("it has too many strings");
    const auto coded =
        ov::op::v0::Constant::create(ov::element::i32, constant->get_shape(), numbers);
    coded->set_friendly_name(constant->get_friendly_name());
    ov::replace_node(constant, coded);
  }
  for (const auto& parameter : strings.parameters) parameter->set_element_type(ov::element::i32);
  graph.validate_nodes_and_infer_types();
  return codes;
}

void StringCodes::describe(ModelDescription& description) const {
  const auto mark = [](const std::vector<bool>& are, std::vector<TensorSpec>& specs) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (are[i]) specs[i].dtype = DType::bytes;
    }
  };
  mark(inputs_, description.inputs);
  mark(outputs_, description.outputs);
}

std::int32_t CodedStrings::code_of(std::string_view text) {
  const auto known = codes_.code_of_.find(text);
  if (known != codes_.code_of_.end()) return known->second;
  const auto next = static_cast<std::int32_t>(codes_.texts_.size() + further_.size());
  const auto [found, is_new] = code_of_.try_emplace(text, next);
  if (is_new) further_.push_back(text);
  return found->second;
}

bool CodedStrings::encode(const InputTensor& from, std::span<std::int32_t> to) {
  std::size_t i = 0;
  for (std::span<const std::byte> part : from.parts) {
    while (!part.empty()) {
      std::uint32_t length = 0;
      if (i == to.size() || part.size() < sizeof length) return false;
      std::memcpy(&length, part.data(), sizeof length);
      part = part.subspan(sizeof length);
      if (part.size() < length) return false;
      to[i++] = code_of({reinterpret_cast<const char*>(part.data()), length});
      part = part.subspan(length);
    }
  }
  return i == to.size() && codes_.texts_.size() + further_.size() <= kMostStrings;
}

std::string_view CodedStrings::text_of(std::int32_t code) const {
  const auto index = static_cast<std::size_t>(code);
  if (code < 0 || index >= codes_.texts_.size() + further_.size()) return {};
  return index < codes_.texts_.size() ? std::string_view(codes_.texts_[index])
                                      : further_[index - codes_.texts_.size()];
}

std::vector<std::byte> CodedStrings::decode(std::span<const std::int32_t> from) const {
  std::size_t size = 0;
  for (const std::int32_t code : from) {
    size += sizeof(std::uint32_t) + text_of(code).size();
    if (size > kMostOutputBytes) throw StringsTooLarge("an output's strings take too much memory");
  }
  std::vector<std::byte> out(size);
  std::byte* at = out.data();
  for (const std::int32_t code : from) {
    const std::string_view text = text_of(code);
    const auto length = static_cast<std::uint32_t>(text.size());
    std::memcpy(at, &length, sizeof length);
    at += sizeof length;
    if (length > 0) std::memcpy(at, text.data(), length);
    at += length;
  }
  return out;
}

void CodedStrings::clear() {
  further_.clear();
  code_of_.clear();
}

}  // namespace millrace::backends
