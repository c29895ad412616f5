// One level of a TensorFlow graph: the nodes of a GraphDef, or of a function in its library.
// Hostile input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "backends/openvino/tensor_shape.h"
#include "base/result.h"

namespace millrace::backends {

struct GraphNode {
  std::string_view op{};
  std::vector<std::string_view> inputs{};
  std::map<std::string_view, std::string_view> attributes{};  // AttrValue messages

  // Nothing (or 0) where there is no such attribute.
  std::size_t count(std::string_view attribute) const;  // below 1,000
  std::string_view function(std::string_view attribute) const;
  std::string_view tensor(std::string_view attribute) const;
  int type_at(std::string_view attribute, std::size_t index) const;
  Result<std::optional<Dims>> shape_at(std::string_view attribute, std::size_t index) const;
};

struct GraphNodes {
  std::vector<std::string_view> arguments{};  // of a function
  std::map<std::string_view, GraphNode> nodes{};

  // The constant that a tensor is, perhaps in another shape: a TensorProto, or nothing.
  std::string_view constant(std::string_view tensor) const;
};

GraphNodes read_graph(std::string_view graph_def);
// The functions of a GraphDef by name, each a FunctionDef.
std::map<std::string_view, std::string_view> functions_of(std::string_view graph_def);
GraphNodes read_function(std::string_view function_def);

// "node:1", "node:output:0" and "node" are values of a node; "^node" is an order and none.
std::string_view node_of(std::string_view tensor);

}  // namespace millrace::backends
