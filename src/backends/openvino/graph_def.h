// TensorFlow's GraphDef, as far as signatures need it: which features of examples an output needs,
// and shapes that a signature leaves out. Hostile input.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::backends {

class GraphDef {
 public:
  // A dense feature of the node that parses serialised examples.
  struct Feature {
    std::string key{};
    std::string tensor{};                             // "ParseExample:0"
    int type = 0;                                     // of TensorFlow's DataType
    std::optional<std::vector<std::int64_t>> dims{};  // of any number of examples
  };

  // Views of the bytes: they outlive this.
  explicit GraphDef(std::string_view bytes);

  // Graphs that take serialised tf.Examples parse them by a node of their own (ParseExample), which
  // the runtime does not know. Clients send the features by name, so the graph can be entered
  // behind that node: at these, all that `outputs` need of it. Nothing where `serialised` does not
  // go into such a node, or a feature is sparse.
  std::optional<std::vector<Feature>> features_of(std::string_view serialised,
                                                  const std::vector<std::string>& outputs) const;
  // As whoever wrote the file inferred it. Nothing where it is not said.
  std::optional<std::vector<std::int64_t>> dims_of(std::string_view tensor) const;

 private:
  struct Node {
    std::string_view op{};
    std::vector<std::string_view> inputs{};
    std::map<std::string_view, std::string_view> attributes{};
  };

  static std::optional<std::vector<std::int64_t>> shape_at(const Node& node,
                                                           std::string_view attribute,
                                                           std::size_t index);
  std::optional<std::string> text_of(std::string_view name) const;
  std::vector<std::size_t> needed_of(std::string_view parser,
                                     const std::vector<std::string>& wanted) const;
  std::optional<Feature> feature_at(std::string_view name, const Node& parser,
                                    std::size_t output) const;
  void add_node(std::string_view bytes);

  std::map<std::string_view, Node> nodes_;
};

}  // namespace millrace::backends
