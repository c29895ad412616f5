// What an operator's file says of a graph's tensors, against what the graph says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "servable/description.h"
#include "serving/graph_settings.h"

namespace millrace::serving {

// Every declared tensor is one of the graph's, with its type and a shape that fits. Errors name the
// line of the declaration.
Status check_declarations(const GraphSettings& settings, const ModelDescription& graph);

// The graph's description with the declared sizes where the graph leaves them open, and with the
// declared shape where that is reshaped. The settings were checked.
ModelDescription declared_description(const GraphSettings& settings, const ModelDescription& graph);

// Of one tensor: the same elements under another shape. At most one of `dims` is -1.
struct Reshape {
  std::size_t index = 0;             // among the tensors of the description
  std::vector<std::int64_t> dims{};  // without the batch
  bool batched = false;              // axis 0 stays
};
// `to_graph`: from the declared shapes to the graph's; else back.
std::vector<Reshape> reshapes_of(const std::vector<TensorDeclaration>& declared,
                                 const std::vector<TensorSpec>& tensors, bool batched,
                                 bool to_graph);
// The shape as it was where the elements do not fit the other one: the graph then refuses it.
Shape reshaped(const Shape& from, const Reshape& reshape);

}  // namespace millrace::serving
