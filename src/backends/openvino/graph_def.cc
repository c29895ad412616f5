#include "backends/openvino/graph_def.h"

#include <charconv>
#include <deque>
#include <utility>

#include "backends/openvino/tensor_proto.h"

namespace millrace::backends {
namespace {

constexpr int kMostCalls = 100;  // that a tensor is followed into

struct FoundParser {
  const GraphNodes* graph;
  std::string_view name;
  const GraphNode* node;
};

// Follows a tensor from its node, or argument, to the parsers that it goes into.
class ParserSearch {
 public:
  ParserSearch(std::string_view graph_def, const GraphNodes& graph, std::string_view from)
      : functions_(functions_of(graph_def)) {
    open_.push_back({&graph, from});
    while (!open_.empty()) {
      const Place place = open_.back();
      open_.pop_back();
      for (const auto& [name, node] : place.graph->nodes) look(place, name, node);
    }
  }
  const std::vector<FoundParser>& found() const { return found_; }

 private:
  struct Place {
    const GraphNodes* graph;
    std::string_view from;
  };

  void look(const Place& place, std::string_view name, const GraphNode& node) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node_of(node.inputs[i]) != place.from) continue;
      const bool parses = node.op == "ParseExample" || node.op == "ParseExampleV2";
      if (parses && i == 0) found_.push_back({place.graph, name, &node});
      const bool calls = node.op == "StatefulPartitionedCall" || node.op == "PartitionedCall";
      if (calls) follow(node.function("f"), i);
      if (node.op == "Identity" && ++num_calls_ <= kMostCalls) open_.push_back({place.graph, name});
    }
  }
  void follow(std::string_view function, std::size_t argument) {
    const auto found = functions_.find(function);
    if (found == functions_.end() || ++num_calls_ > kMostCalls) return;
    const GraphNodes& inner = read_.emplace_back(read_function(found->second));
    if (argument < inner.arguments.size()) open_.push_back({&inner, inner.arguments[argument]});
  }

  const std::map<std::string_view, std::string_view> functions_;
  std::deque<GraphNodes> read_;
  std::vector<Place> open_;
  std::vector<FoundParser> found_;
  int num_calls_ = 0;
};

// Elements of one example, or of one element where their number is any.
std::size_t default_size(const Dims& dims) {
  std::int64_t product = 1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i == 0 && dims[i] < 0) return 1;
    if (dims[i] < 0 || __builtin_mul_overflow(product, dims[i], &product)) return 0;
  }
  return static_cast<std::size_t>(product);
}

// Reads what a parser's node says, by the inputs of its two forms: the examples, their names, then
// of ParseExample an input a sparse key, one a dense key, one a default; of ParseExampleV2 one for
// all keys of each kind (sparse, dense, ragged), then the defaults.
class ParserReader {
 public:
  explicit ParserReader(const FoundParser& found)
      : graph_(*found.graph), node_(*found.node), is_v2_(node_.op == "ParseExampleV2") {
    parser_.node = found.name;
  }

  // Nothing where the keys are no constants.
  Result<std::optional<ExampleParser>> read() {
    const std::size_t num_sparse = node_.count(is_v2_ ? "num_sparse" : "Nsparse");
    const std::size_t num_dense = is_v2_ ? 0 : node_.count("Ndense");
    const auto sparse = keys(2, num_sparse), dense = keys(is_v2_ ? 3 : 2 + num_sparse, num_dense);
    const auto ragged = is_v2_ ? keys(4, 0) : std::optional(Keys());
    if (!sparse || !dense || !ragged) return std::nullopt;
    add(*sparse, "sparse_types", parser_.sparse);
    add(*dense, "Tdense", parser_.dense);
    add(*ragged, "ragged_value_types", parser_.ragged);
    const std::size_t first = is_v2_ ? 5 : 2 + num_sparse + num_dense;
    for (std::size_t i = 0; i < parser_.dense.size(); ++i) {
      if (Status read = read_default(i, first + i, parser_.dense[i]); !read) return pass(read);
    }
    return std::move(parser_);
  }

 private:
  using Keys = std::vector<std::string_view>;

  std::string_view input(std::size_t i) const {
    return i < node_.inputs.size() ? graph_.constant(node_.inputs[i]) : std::string_view();
  }
  // All in one input, or one in each of `count`.
  std::optional<Keys> keys(std::size_t first, std::size_t count) const {
    if (is_v2_) return strings_in(input(first));
    Keys all;
    for (std::size_t i = 0; i < count; ++i) {
      const auto key = strings_in(input(first + i));
      if (key.size() != 1) return std::nullopt;
      all.push_back(key[0]);
    }
    return all;
  }
  void add(const Keys& keys, std::string_view types, std::vector<ExampleParser::Feature>& to) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      to.push_back({.key = std::string(keys[i]), .type = node_.type_at(types, i)});
    }
  }
  Status read_default(std::size_t index, std::size_t from, ExampleParser::Feature& feature) const {
    auto dims = node_.shape_at("dense_shapes", index);
    if (!dims) return pass(dims);
    feature.dims = *std::move(dims);
    if (!feature.dims) return {};
    auto value = values_in(input(from), feature.type, default_size(*feature.dims));
    if (!value) return pass(value);
    feature.default_value = *std::move(value);
    return {};
  }

  const GraphNodes& graph_;
  const GraphNode& node_;
  const bool is_v2_;
  ExampleParser parser_;
};

}  // namespace

GraphDef::GraphDef(std::string_view bytes) : bytes_(bytes), nodes_(read_graph(bytes)) {}

Result<std::optional<Dims>> GraphDef::dims_of(std::string_view tensor) const {
  const auto node = nodes_.nodes.find(node_of(tensor));
  if (node == nodes_.nodes.end()) return std::nullopt;
  std::size_t output = 0;
  const auto colon = tensor.rfind(':');
  if (colon != std::string_view::npos) {
    std::from_chars(tensor.data() + colon + 1, tensor.data() + tensor.size(), output);
  }
  return node->second.shape_at("_output_shapes", output);
}

Result<std::optional<ExampleParser>> GraphDef::parser_of(std::string_view serialised) const {
  const ParserSearch search(bytes_, nodes_, node_of(serialised));
  if (search.found().size() != 1) return std::nullopt;
  return ParserReader(search.found()[0]).read();
}

}  // namespace millrace::backends
