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

// Inputs: the examples, their names, keys, defaults of the dense features. ParseExample has an
// input a key, ParseExampleV2 one for all keys of a kind (sparse, dense, ragged).
Result<std::optional<ExampleParser>> read_parser(const FoundParser& found) {
  const GraphNode& node = *found.node;
  const bool is_v2 = node.op == "ParseExampleV2";
  const std::size_t num_sparse = node.count(is_v2 ? "num_sparse" : "Nsparse");
  const auto input = [&](std::size_t i) {
    return i < node.inputs.size() ? found.graph->constant(node.inputs[i]) : std::string_view();
  };
  std::vector<std::string_view> keys;
  if (is_v2) keys = strings_in(input(3));
  for (std::size_t i = 0; !is_v2 && i < node.count("Ndense"); ++i) {
    const auto key = strings_in(input(2 + num_sparse + i));
    if (key.size() != 1) return std::nullopt;
    keys.push_back(key[0]);
  }
  const std::size_t first_default = is_v2 ? 5 : 2 + num_sparse + keys.size();
  ExampleParser parser{.node = std::string(found.name)};
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ExampleParser::Feature feature{.key = std::string(keys[i]), .type = node.type_at("Tdense", i)};
    auto dims = node.shape_at("dense_shapes", i);
    if (!dims) return pass(dims);
    feature.dims = *std::move(dims);
    if (feature.dims) {
      auto value = values_in(input(first_default + i), feature.type, default_size(*feature.dims));
      if (!value) return pass(value);
      feature.default_value = *std::move(value);
    }
    parser.features.push_back(std::move(feature));
  }
  return parser;
}

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
  return read_parser(search.found()[0]);
}

}  // namespace millrace::backends
