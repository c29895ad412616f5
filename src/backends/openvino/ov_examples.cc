#include "backends/openvino/ov_examples.h"

#include <fmt/format.h>

#include <memory>
#include <openvino/frontend/extension/conversion.hpp>
#include <openvino/op/op.hpp>
#include <openvino/op/parameter.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace millrace::backends {
namespace {

// Outputs: three each sparse feature, of no known type, then one each dense one.
class ExamplesOp : public ov::op::Op {
 public:
  OPENVINO_OP("ParsedExamples", "millrace")

  ExamplesOp(const ov::Output<ov::Node>& serialised, std::string node, std::size_t num_sparse,
             std::vector<ov::element::Type> types, std::vector<ov::PartialShape> shapes)
      : Op({serialised}),
        node_(std::move(node)),
        num_sparse_(num_sparse),
        types_(std::move(types)),
        shapes_(std::move(shapes)) {
    constructor_validate_and_infer_types();
  }
  void validate_and_infer_types() override {
    const std::size_t first = first_dense();
    set_output_size(first + types_.size());
    for (std::size_t i = 0; i < first; ++i) {
      set_output_type(i, ov::element::dynamic, ov::PartialShape::dynamic());
    }
    for (std::size_t i = 0; i < types_.size(); ++i) {
      ov::PartialShape shape = ov::PartialShape::dynamic();
      if (i < shapes_.size() && shapes_[i].rank().is_static()) {
        shape = shapes_[i];
        shape.insert(shape.begin(), ov::Dimension::dynamic());
      }
      set_output_type(first + i, types_[i], shape);
    }
  }
  std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override {
    return std::make_shared<ExamplesOp>(inputs.at(0), node_, num_sparse_, types_, shapes_);
  }
  const std::string& node() const { return node_; }
  std::size_t first_dense() const { return 3 * num_sparse_; }

 private:
  std::string node_;
  std::size_t num_sparse_;
  std::vector<ov::element::Type> types_;
  std::vector<ov::PartialShape> shapes_;
};

ov::frontend::NamedOutputVector convert_parser(const ov::frontend::NodeContext& node,
                                               const std::string& count_of_sparse) {
  const auto sparse = node.get_attribute<std::int64_t>(count_of_sparse, 0);
  if (sparse < 0 || sparse > 1000) throw std::runtime_error("a parser of examples is malformed");
  const auto op = std::make_shared<ExamplesOp>(
      node.get_input(0), node.get_name(), static_cast<std::size_t>(sparse),
      node.get_attribute<std::vector<ov::element::Type>>("Tdense", {}),
      node.get_attribute<std::vector<ov::PartialShape>>("dense_shapes", {}));
  ov::frontend::NamedOutputVector outputs;
  for (std::size_t i = 0; i < op->get_output_size(); ++i) {
    const bool is_dense = i >= op->first_dense();
    outputs.emplace_back(is_dense ? "dense_values" : "sparse", op->output(i));
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

std::vector<FeatureSpec> enter_behind_parser(ov::Model& graph, const ExampleParser& parser) {
  const auto op = parser_in(graph, parser);
  const auto serialised =
      std::dynamic_pointer_cast<ov::op::v0::Parameter>(op->input_value(0).get_node_shared_ptr());
  if (!serialised) throw std::runtime_error("the examples are not an input as they are");
  std::vector<FeatureSpec> features;
  ov::ParameterVector inputs;
  for (std::size_t i = 0; i < op->get_output_size(); ++i) {
    ov::Output<ov::Node> output = op->output(i);
    if (output.get_target_inputs().empty()) continue;
    const std::size_t index = i - op->first_dense();
    if (i < op->first_dense() || index >= parser.features.size()) {
      throw std::runtime_error("it needs a feature of examples that is not dense");
    }
    const ExampleParser::Feature& feature = parser.features[index];
    auto input = std::make_shared<ov::op::v0::Parameter>(output.get_element_type(),
                                                         output.get_partial_shape());
    input->set_friendly_name(feature.key);
    output.replace(input->output(0));
    // Added: where the feature is an output too, it is known by that name as well.
    input->output(0).get_tensor().add_names({feature.key});
    inputs.push_back(std::move(input));
    features.push_back(
        {.name = feature.key,
         .default_value = feature.default_value,
         .any_length = feature.dims && !feature.dims->empty() && feature.dims->front() < 0});
  }
  graph.add_parameters(inputs);
  graph.remove_parameter(serialised);
  graph.validate_nodes_and_infer_types();
  return features;
}

}  // namespace millrace::backends
