// TensorFlow's GraphDef, as far as signatures need it: the node that parses examples, and shapes
// that a signature leaves out. Hostile input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/openvino/graph_nodes.h"
#include "base/result.h"

namespace millrace::backends {

// The node that parses serialised tf.Examples (ParseExample, ParseExampleV2): what it makes of
// them.
struct ExampleParser {
  struct Feature {
    std::string key{};
    int type = 0;  // of TensorFlow's DataType
    // The rest is of dense ones.
    std::optional<Dims> dims{};  // of one example; [-1, …]: of any length
    // Of one example, or one element where the length is any. As servable/tensor_model.h has it;
    // empty: the feature must be there.
    std::vector<std::byte> default_value{};
  };
  std::string node{};  // its name, in the function it is in
  // Its outputs in order: indices of all sparse features, then values, then shapes; the dense ones;
  // values of the ragged ones, then row splits.
  std::vector<Feature> sparse{}, dense{}, ragged{};
};

class GraphDef {
 public:
  // Views of the bytes: they outlive this. Errors of what it is asked: a shape is malformed.
  explicit GraphDef(std::string_view bytes);

  // The one parser that this tensor goes into, also through functions that are called with it.
  // Nothing where there is none, or more than one.
  Result<std::optional<ExampleParser>> parser_of(std::string_view serialised) const;
  // As whoever wrote the file inferred it. Nothing where it is not said.
  Result<std::optional<Dims>> dims_of(std::string_view tensor) const;

 private:
  const std::string_view bytes_;
  const GraphNodes nodes_;
};

}  // namespace millrace::backends
