#include "backends/openvino/graph_nodes.h"

#include <utility>

#include "base/wire_reader.h"

namespace millrace::backends {
namespace {

constexpr std::uint32_t kNode = 1, kLibrary = 2;                         // of GraphDef
constexpr std::uint32_t kFunction = 1;                                   // of its library
constexpr std::uint32_t kSignature = 1, kBody = 3;                       // of FunctionDef
constexpr std::uint32_t kArgument = 2;                                   // of its signature
constexpr std::uint32_t kName = 1, kOp = 2, kInput = 3, kAttribute = 5;  // of NodeDef
constexpr std::uint32_t kKey = 1, kValue = 2;                            // of a map's entry
constexpr std::uint32_t kList = 1, kInt = 3, kTensor = 8, kCalled = 10;  // of AttrValue
constexpr std::uint32_t kTypes = 6, kShapes = 7;                         // of its lists

// The last field of that number.
std::optional<WireReader::Field> field_in(std::string_view message, std::uint32_t number) {
  std::optional<WireReader::Field> last;
  WireReader reader(message);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == number) last = field;
  }
  return last;
}

std::string_view bytes_in(std::string_view message, std::uint32_t number) {
  const auto field = field_in(message, number);
  return field ? field->bytes : std::string_view();
}

// The attribute's AttrValue; empty where the node has none of that name.
std::string_view attribute_of(const GraphNode& node, std::string_view name) {
  const auto found = node.attributes.find(name);
  return found == node.attributes.end() ? std::string_view() : found->second;
}

std::pair<std::string_view, GraphNode> read_node(std::string_view bytes) {
  std::string_view name;
  GraphNode node;
  WireReader reader(bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kName) name = field.bytes;
    if (field.number == kOp) node.op = field.bytes;
    if (field.number == kInput) node.inputs.push_back(field.bytes);
    if (field.number != kAttribute) continue;
    node.attributes.emplace(bytes_in(field.bytes, kKey), bytes_in(field.bytes, kValue));
  }
  return {name, std::move(node)};
}

}  // namespace

std::size_t GraphNode::count(std::string_view attribute) const {
  const auto field = field_in(attribute_of(*this, attribute), kInt);
  return field && field->value < 1000 ? field->value : 0;
}

std::string_view GraphNode::function(std::string_view attribute) const {
  return bytes_in(bytes_in(attribute_of(*this, attribute), kCalled), kName);
}

std::string_view GraphNode::tensor(std::string_view attribute) const {
  return bytes_in(attribute_of(*this, attribute), kTensor);
}

// The list may be packed or not.
int GraphNode::type_at(std::string_view attribute, std::size_t index) const {
  WireReader reader(bytes_in(attribute_of(*this, attribute), kList));
  for (WireReader::Field field; reader.next(field);) {
    if (field.number != kTypes) continue;
    if (!field.is_bytes && index-- == 0) return static_cast<int>(field.value & 0xff);
    if (index < field.bytes.size()) return static_cast<unsigned char>(field.bytes[index]);
  }
  return 0;
}

Result<std::optional<Dims>> GraphNode::shape_at(std::string_view attribute,
                                                std::size_t index) const {
  WireReader reader(bytes_in(attribute_of(*this, attribute), kList));
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kShapes && index-- == 0) return read_tensor_shape(field.bytes);
  }
  return std::nullopt;
}

std::string_view GraphNodes::constant(std::string_view tensor) const {
  for (int steps = 0; steps < 8; ++steps) {
    const auto found = nodes.find(node_of(tensor));
    if (found == nodes.end()) return {};
    const GraphNode& node = found->second;
    if (node.op == "Const") return node.tensor("value");
    const bool same_values = node.op == "Reshape" || node.op == "Identity";
    if (!same_values || node.inputs.empty()) return {};
    tensor = node.inputs[0];
  }
  return {};
}

GraphNodes read_graph(std::string_view graph_def) {
  GraphNodes graph;
  WireReader reader(graph_def);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kNode) graph.nodes.insert(read_node(field.bytes));
  }
  return graph;
}

std::map<std::string_view, std::string_view> functions_of(std::string_view graph_def) {
  std::map<std::string_view, std::string_view> functions;
  WireReader reader(bytes_in(graph_def, kLibrary));
  for (WireReader::Field field; reader.next(field);) {
    if (field.number != kFunction) continue;
    functions.emplace(bytes_in(bytes_in(field.bytes, kSignature), kName), field.bytes);
  }
  return functions;
}

GraphNodes read_function(std::string_view function_def) {
  GraphNodes function;
  WireReader reader(function_def);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kBody) function.nodes.insert(read_node(field.bytes));
    if (field.number != kSignature) continue;
    WireReader signature(field.bytes);
    for (WireReader::Field part; signature.next(part);) {
      if (part.number == kArgument) function.arguments.push_back(bytes_in(part.bytes, kName));
    }
  }
  return function;
}

std::string_view node_of(std::string_view tensor) {
  return tensor.starts_with('^') ? std::string_view() : tensor.substr(0, tensor.find(':'));
}

}  // namespace millrace::backends
