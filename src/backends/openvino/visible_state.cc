#include "backends/openvino/visible_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <openvino/op/constant.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>
#include <openvino/op/util/assign_base.hpp>
#include <openvino/op/util/read_value_base.hpp>
#include <string>

namespace millrace::backends {
namespace {

struct Uses {
  std::vector<std::shared_ptr<ov::op::util::ReadValueBase>> reads;
  std::vector<std::shared_ptr<ov::op::util::AssignBase>> assigns;
};

std::map<std::string, Uses> uses_of_variables(const ov::Model& model) {
  std::map<std::string, Uses> uses;
  for (const auto& node : model.get_ordered_ops()) {
    if (auto read = std::dynamic_pointer_cast<ov::op::util::ReadValueBase>(node)) {
      uses[read->get_variable_id()].reads.push_back(std::move(read));
    } else if (auto assign = std::dynamic_pointer_cast<ov::op::util::AssignBase>(node)) {
      uses[assign->get_variable_id()].assigns.push_back(std::move(assign));
    }
  }
  return uses;
}

Result<std::vector<std::byte>> first_value(const ov::op::util::ReadValueBase& read,
                                           const std::string& name) {
  if (read.get_input_size() == 0) return std::vector<std::byte>();
  const auto constant =
      std::dynamic_pointer_cast<ov::op::v0::Constant>(read.input_value(0).get_node_shared_ptr());
  if (!constant) {
    return invalid(
        fmt::format("the first value of variable '{}' is computed, which is not served; "
                    "export the model with its state as inputs and outputs",
                    name));
  }
  const auto* data = static_cast<const std::byte*>(constant->get_data_ptr());
  return std::vector<std::byte>(data, data + constant->get_byte_size());
}

}  // namespace

Result<std::vector<StatePair>> make_state_visible(const std::shared_ptr<ov::Model>& model) {
  std::vector<StatePair> pairs;
  for (const auto& [name, uses] : uses_of_variables(*model)) {
    if (uses.reads.size() != 1 || uses.assigns.size() != 1) {
      return invalid(fmt::format("variable '{}' is not read once and written once", name));
    }
    const auto& read = uses.reads[0];
    const auto& assign = uses.assigns[0];
    auto initial = first_value(*read, name);
    if (!initial) return pass(initial);
    const auto parameter = std::make_shared<ov::op::v0::Parameter>(
        read->get_output_element_type(0), read->get_output_partial_shape(0));
    parameter->set_friendly_name(name);
    const auto next = std::make_shared<ov::op::v0::Result>(assign->input_value(0));
    next->set_friendly_name(name + "/next");
    read->output(0).replace(parameter->output(0));
    model->remove_sink(assign);
    model->remove_variable(model->get_variable_by_id(name));
    model->add_parameters({parameter});
    model->add_results({next});
    pairs.push_back({.input = name, .output = name + "/next", .initial = *std::move(initial)});
  }
  if (!pairs.empty()) model->validate_nodes_and_infer_types();
  return pairs;
}

}  // namespace millrace::backends
