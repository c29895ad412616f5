#include "backends/openvino/graph_def.h"

#include <charconv>
#include <set>
#include <utility>

#include "backends/openvino/wire.h"

namespace millrace::backends {
namespace {

constexpr std::uint32_t kNode = 1;                                       // of GraphDef
constexpr std::uint32_t kName = 1, kOp = 2, kInput = 3, kAttribute = 5;  // of NodeDef
constexpr std::uint32_t kKey = 1, kValue = 2;                            // of a map's entry
constexpr std::uint32_t kList = 1, kInt = 3, kTensor = 8;                // of AttrValue
constexpr std::uint32_t kTypes = 6, kShapes = 7;                         // of its lists
constexpr std::uint32_t kStrings = 8;                                    // of TensorProto
constexpr std::uint32_t kDim = 2, kSize = 1, kUnknownRank = 3;           // of TensorShapeProto

using Attributes = std::map<std::string_view, std::string_view>;
using Dims = std::vector<std::int64_t>;

// "node:1", "node" (its first output); "^node" is an order and no value.
struct Value {
  std::string_view node{};
  std::size_t output = 0;
};

Value value_of(std::string_view name) {
  if (name.starts_with('^')) return {};
  const auto colon = name.rfind(':');
  if (colon == std::string_view::npos) return {.node = name};
  Value value{.node = name.substr(0, colon)};
  std::from_chars(name.data() + colon + 1, name.data() + name.size(), value.output);
  return value;
}

// The last field of that number in an attribute.
std::optional<WireField> field_of(const Attributes& attributes, std::string_view attribute,
                                  std::uint32_t number) {
  const auto found = attributes.find(attribute);
  if (found == attributes.end()) return std::nullopt;
  std::optional<WireField> last;
  WireReader reader(found->second);
  for (WireField field; reader.next(field);) {
    if (field.number == number) last = field;
  }
  return last;
}

std::size_t count_of(const Attributes& attributes, std::string_view attribute) {
  const auto field = field_of(attributes, attribute, kInt);
  return field && field->value < 1000 ? field->value : 0;
}

std::optional<Dims> read_shape(std::string_view bytes) {
  Dims dims;
  WireReader shape(bytes);
  for (WireField part; shape.next(part);) {
    if (part.number == kUnknownRank && part.value != 0) return std::nullopt;
    if (part.number != kDim) continue;
    WireReader dim(part.bytes);
    dims.push_back(0);
    for (WireField size; dim.next(size);) {
      if (size.number == kSize) dims.back() = static_cast<std::int64_t>(size.value);
    }
    if (dims.back() < -1) return std::nullopt;
  }
  return dims;
}

// The index-th of a list of types, which may be packed or not.
int type_at(const Attributes& attributes, std::size_t index) {
  const auto list = field_of(attributes, "Tdense", kList);
  WireReader reader(list ? list->bytes : std::string_view());
  for (WireField field; reader.next(field);) {
    if (field.number != kTypes) continue;
    if (field.bytes.empty() && index-- == 0) return static_cast<int>(field.value & 0xff);
    if (index < field.bytes.size()) return static_cast<unsigned char>(field.bytes[index]);
  }
  return 0;
}

}  // namespace

GraphDef::GraphDef(std::string_view bytes) {
  WireReader reader(bytes);
  for (WireField field; reader.next(field);) {
    if (field.number == kNode) add_node(field.bytes);
  }
}

void GraphDef::add_node(std::string_view bytes) {
  std::string_view name;
  Node node;
  WireReader reader(bytes);
  for (WireField field; reader.next(field);) {
    if (field.number == kName) name = field.bytes;
    if (field.number == kOp) node.op = field.bytes;
    if (field.number == kInput) node.inputs.push_back(field.bytes);
    if (field.number != kAttribute) continue;
    std::string_view key, value;
    WireReader entry(field.bytes);
    for (WireField part; entry.next(part);) {
      if (part.number == kKey) key = part.bytes;
      if (part.number == kValue) value = part.bytes;
    }
    node.attributes.emplace(key, value);
  }
  nodes_.emplace(name, std::move(node));
}

std::optional<Dims> GraphDef::shape_at(const Node& node, std::string_view attribute,
                                       std::size_t index) {
  const auto list = field_of(node.attributes, attribute, kList);
  WireReader reader(list ? list->bytes : std::string_view());
  for (WireField field; reader.next(field);) {
    if (field.number == kShapes && index-- == 0) return read_shape(field.bytes);
  }
  return std::nullopt;
}

std::optional<Dims> GraphDef::dims_of(std::string_view tensor) const {
  const Value value = value_of(tensor);
  const auto node = nodes_.find(value.node);
  if (node == nodes_.end()) return std::nullopt;
  return shape_at(node->second, "_output_shapes", value.output);
}

// Of a constant.
std::optional<std::string> GraphDef::text_of(std::string_view name) const {
  const auto found = nodes_.find(value_of(name).node);
  if (found == nodes_.end()) return std::nullopt;
  const auto tensor = field_of(found->second.attributes, "value", kTensor);
  WireReader reader(tensor ? tensor->bytes : std::string_view());
  for (WireField field; reader.next(field);) {
    if (field.number == kStrings) return std::string(field.bytes);
  }
  return std::nullopt;
}

// The outputs of `parser` that the tensors are computed from, ascending.
std::vector<std::size_t> GraphDef::needed_of(std::string_view parser,
                                             const std::vector<std::string>& wanted) const {
  std::set<std::size_t> needed;
  std::set<std::string_view> seen;
  std::vector<std::string_view> open(wanted.begin(), wanted.end());
  while (!open.empty()) {
    const Value value = value_of(open.back());
    open.pop_back();
    if (value.node == parser) {
      needed.insert(value.output);
    } else if (const auto found = nodes_.find(value.node);
               found != nodes_.end() && seen.insert(value.node).second) {
      open.insert(open.end(), found->second.inputs.begin(), found->second.inputs.end());
    }
  }
  return {needed.begin(), needed.end()};
}

// Inputs of the node: the examples, their names, a key each sparse and dense feature, defaults.
// Outputs: three each sparse feature, then one each dense one.
std::optional<GraphDef::Feature> GraphDef::feature_at(std::string_view name, const Node& parser,
                                                      std::size_t output) const {
  const std::size_t sparse = count_of(parser.attributes, "Nsparse");
  const std::size_t dense = count_of(parser.attributes, "Ndense");
  if (output < 3 * sparse || output - 3 * sparse >= dense) return std::nullopt;
  const std::size_t index = output - 3 * sparse, input = 2 + sparse + index;
  if (input >= parser.inputs.size()) return std::nullopt;
  auto key = text_of(parser.inputs[input]);
  if (!key) return std::nullopt;
  auto dims = shape_at(parser, "dense_shapes", index);  // of one example
  if (dims) dims->insert(dims->begin(), -1);
  return Feature{.key = *std::move(key),
                 .tensor = std::string(name) + ':' + std::to_string(output),
                 .type = type_at(parser.attributes, index),
                 .dims = std::move(dims)};
}

std::optional<std::vector<GraphDef::Feature>> GraphDef::features_of(
    std::string_view serialised, const std::vector<std::string>& outputs) const {
  const std::string_view source = value_of(serialised).node;
  for (const auto& [name, node] : nodes_) {
    if (node.op != "ParseExample" || node.inputs.empty()) continue;
    if (value_of(node.inputs[0]).node != source) continue;
    std::vector<Feature> features;
    for (const std::size_t output : needed_of(name, outputs)) {
      auto feature = feature_at(name, node, output);
      if (!feature) return std::nullopt;
      features.push_back(*std::move(feature));
    }
    if (!features.empty()) return features;
  }
  return std::nullopt;
}

}  // namespace millrace::backends
