#include "backends/openvino/ov_examples.h"

#include <fmt/format.h>

#include <memory>
#include <openvino/frontend/extension/conversion.hpp>
#include <openvino/op/op.hpp>
#include <openvino/op/parameter.hpp>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "backends/openvino/ov_types.h"

namespace millrace::backends {
namespace {

// One output of a parser.
struct Port {
  std::string name;  // as functions call it
  ov::element::Type type;
  ov::PartialShape shape;
};

class ExamplesOp : public ov::op::Op {
 public:
  OPENVINO_OP("ParsedExamples", "millrace")

  ExamplesOp(const ov::Output<ov::Node>& serialised, std::string node, std::vector<Port> ports)
      : Op({serialised}), node_(std::move(node)), ports_(std::move(ports)) {
    constructor_validate_and_infer_types();
  }
  void validate_and_infer_types() override {
    set_output_size(ports_.size());
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      set_output_type(i, ports_[i].type, ports_[i].shape);
    }
  }
  std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override {
    return std::make_shared<ExamplesOp>(inputs.at(0), node_, ports_);
  }
  const std::string& node() const { return node_; }
  const std::vector<Port>& ports() const { return ports_; }

 private:
  std::string node_;
  std::vector<Port> ports_;
};

using Types = std::vector<ov::element::Type>;

std::vector<Port> ports_of(const ov::frontend::NodeContext& node, const std::string& num_sparse) {
  const auto types_of = [&](const char* attribute) {
    return node.get_attribute<Types>(attribute, {});
  };
  const auto count = node.get_attribute<std::int64_t>(num_sparse, 0);
  const Types sparse = types_of("sparse_types"), dense = types_of("Tdense");
  const Types ragged = types_of("ragged_value_types"), splits = types_of("ragged_split_types");
  if (count != static_cast<std::int64_t>(sparse.size()) || splits.size() != ragged.size()) {
    throw std::runtime_error("a parser of examples is malformed");
  }
  const auto shapes = node.get_attribute<std::vector<ov::PartialShape>>("dense_shapes", {});
  const ov::Dimension any;
  std::vector<Port> ports;
  const auto add = [&](const char* name, const Types& types, const ov::PartialShape& shape) {
    for (const auto& type : types) ports.push_back({name, type, shape});
  };
  add("sparse_indices", Types(sparse.size(), ov::element::i64), {any, 2});
  add("sparse_values", sparse, {any});
  add("sparse_shapes", Types(sparse.size(), ov::element::i64), {2});
  for (std::size_t i = 0; i < dense.size(); ++i) {
    ov::PartialShape shape = ov::PartialShape::dynamic();
    if (i < shapes.size() && shapes[i].rank().is_static()) {
      shape = shapes[i];
      shape.insert(shape.begin(), any);
    }
    ports.push_back({"dense_values", dense[i], shape});
  }
  add("ragged_values", ragged, {any});
  add("ragged_row_splits", splits, {any});
  return ports;
}

ov::frontend::NamedOutputVector convert_parser(const ov::frontend::NodeContext& node,
                                               const std::string& num_sparse) {
  const auto op =
      std::make_shared<ExamplesOp>(node.get_input(0), node.get_name(), ports_of(node, num_sparse));
  ov::frontend::NamedOutputVector outputs;
  for (std::size_t i = 0; i < op->get_output_size(); ++i) {
    outputs.emplace_back(op->ports()[i].name, op->output(i));
  }
  return outputs;
}

// The only parser of the graph.
std::shared_ptr<ExamplesOp> parser_in(const ov::Model& graph, const ExampleParser& parser) {
  std::shared_ptr<ExamplesOp> found;
  for (const auto& node : graph.get_ordered_ops()) {
    const auto op = std::dynamic_pointer_cast<ExamplesOp>(node);
    if (!op) continue;
    if (found || op->node() != parser.node) {
      throw std::runtime_error("the graph parses examples in more than one place");
    }
    found = op;
  }
  if (!found) throw std::runtime_error("the outputs do not need the examples");
  return found;
}

}  // namespace

void teach_examples(ov::frontend::FrontEnd& frontend) {
  const auto teach = [&](const char* op, const char* count_of_sparse) {
    const ov::frontend::CreatorFunctionNamedAndIndexed convert =
        [=](const ov::frontend::NodeContext& node) {
          return convert_parser(node, count_of_sparse);
        };
    frontend.add_extension(std::make_shared<ov::frontend::ConversionExtension>(op, convert));
  };
  teach("ParseExample", "Nsparse");
  teach("ParseExampleV2", "num_sparse");
}

namespace {

// Puts inputs in place of a parser's outputs, where they are needed.
class Entrance {
 public:
  Entrance(ExamplesOp& op, ov::Model& graph) : op_(op), graph_(graph) {}

  // The parts of features of one kind: for each part as many outputs as there are features.
  void enter(const std::vector<ExampleParser::Feature>& features, FeatureSpec::Kind kind,
             std::span<const char* const> parts, std::size_t values_part) {
    const std::size_t first = next_;
    next_ += features.size() * parts.size();
    if (next_ > op_.get_output_size())
      throw std::runtime_error("a parser of examples is malformed");
    for (std::size_t i = 0; i < features.size(); ++i) {
      bool needed = false;
      for (std::size_t part = 0; part < parts.size(); ++part) {
        needed |=
            enter(op_.output(first + part * features.size() + i), features[i].key + parts[part]);
      }
      if (needed)
        describe(features[i], kind, op_.ports()[first + values_part * features.size() + i]);
    }
  }
  std::vector<FeatureSpec> finish() {
    if (next_ != op_.get_output_size())
      throw std::runtime_error("a parser of examples is malformed");
    graph_.add_parameters(inputs_);
    return std::move(features_);
  }

 private:
  bool enter(ov::Output<ov::Node> output, const std::string& name) {
    if (output.get_target_inputs().empty()) return false;
    if (!names_.insert(name).second) {
      throw std::runtime_error(fmt::format("it has two features that would be input '{}'", name));
    }
    auto input = std::make_shared<ov::op::v0::Parameter>(output.get_element_type(),
                                                         output.get_partial_shape());
    input->set_friendly_name(name);
    output.replace(input->output(0));
    // Added: where the feature is an output too, it is known by that name as well.
    input->output(0).get_tensor().add_names({name});
    inputs_.push_back(std::move(input));
    return true;
  }
  void describe(const ExampleParser::Feature& feature, FeatureSpec::Kind kind, const Port& values) {
    const auto dtype = dtype_of(values.type);
    if (!dtype) {
      throw std::runtime_error(fmt::format("feature '{}' has elements of type {}", feature.key,
                                           values.type.get_type_name()));
    }
    features_.push_back(
        {.name = feature.key,
         .kind = kind,
         .dtype = *dtype,
         .default_value = feature.default_value,
         .any_length = feature.dims && !feature.dims->empty() && feature.dims->front() < 0});
  }

  ExamplesOp& op_;
  ov::Model& graph_;
  std::size_t next_ = 0;
  std::set<std::string> names_;
  ov::ParameterVector inputs_;
  std::vector<FeatureSpec> features_;
};

}  // namespace

std::vector<FeatureSpec> enter_behind_parser(ov::Model& graph, const ExampleParser& parser) {
  constexpr const char* kSparse[] = {"/indices", "/values", "/shape"};
  constexpr const char* kDense[] = {""};
  constexpr const char* kRagged[] = {"/values", "/row_splits"};
  using Kind = FeatureSpec::Kind;
  const auto op = parser_in(graph, parser);
  const auto serialised =
      std::dynamic_pointer_cast<ov::op::v0::Parameter>(op->input_value(0).get_node_shared_ptr());
  if (!serialised) throw std::runtime_error("the examples are not an input as they are");
  Entrance entrance(*op, graph);
  entrance.enter(parser.sparse, Kind::sparse, kSparse, 1);
  entrance.enter(parser.dense, Kind::dense, kDense, 0);
  entrance.enter(parser.ragged, Kind::ragged, kRagged, 0);
  auto features = entrance.finish();
  graph.remove_parameter(serialised);
  graph.validate_nodes_and_infer_types();
  return features;
}

}  // namespace millrace::backends
