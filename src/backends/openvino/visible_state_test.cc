#include "backends/openvino/visible_state.h"

#include <gtest/gtest.h>

#include <openvino/op/add.hpp>
#include <openvino/op/assign.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/read_value.hpp>
#include <openvino/op/util/variable.hpp>
#include <openvino/openvino.hpp>

#include "backends/openvino/openvino_backend.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

using Node = std::shared_ptr<ov::Node>;

// y = x + total; total = y.
std::shared_ptr<ov::Model> accumulator(bool computed_start) {
  const auto x = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::Shape{1, 2});
  x->set_friendly_name("x");
  x->output(0).set_names({"x"});
  const auto variable = std::make_shared<ov::op::util::Variable>(
      ov::op::util::VariableInfo{ov::PartialShape{1, 2}, ov::element::f32, "total"});
  Node first = ov::op::v0::Constant::create(ov::element::f32, ov::Shape{1, 2}, {10, 20});
  if (computed_start) first = std::make_shared<ov::op::v1::Multiply>(first, x);
  const auto read = std::make_shared<ov::op::v6::ReadValue>(first, variable);
  const auto y = std::make_shared<ov::op::v1::Add>(x, read);
  y->output(0).set_names({"y"});
  const auto assign = std::make_shared<ov::op::v6::Assign>(y, variable);
  const auto result = std::make_shared<ov::op::v0::Result>(y);
  return std::make_shared<ov::Model>(ov::ResultVector{result}, ov::SinkVector{assign},
                                     ov::ParameterVector{x},
                                     ov::op::util::VariableVector{variable});
}

TEST(VisibleState, VariablesBecomeInputsAndOutputs) {
  const auto model = accumulator(false);
  const auto pairs = make_state_visible(model);
  ASSERT_TRUE(pairs) << pairs.error().message;
  ASSERT_EQ(pairs->size(), 1u);
  EXPECT_EQ(pairs->at(0).input, "total");
  EXPECT_EQ(pairs->at(0).output, "total/next");
  EXPECT_EQ(pairs->at(0).initial.size(), 8u);
  EXPECT_EQ(model->inputs().size(), 2u);
  EXPECT_EQ(model->outputs().size(), 2u);
  EXPECT_TRUE(model->get_variables().empty());
  auto request = ov::Core().compile_model(model, "CPU").create_infer_request();
  float x[] = {1, 2}, total[] = {10, 20};
  request.set_input_tensor(0, ov::Tensor(ov::element::f32, {1, 2}, x));
  request.set_input_tensor(1, ov::Tensor(ov::element::f32, {1, 2}, total));
  request.infer();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(request.get_output_tensor(i).data<float>()[1], 22);
  }
}

TEST(VisibleState, AModelWithoutStateStaysAsItIs) {
  const auto x = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::Shape{2});
  const auto result = std::make_shared<ov::op::v0::Result>(x);
  const auto model = std::make_shared<ov::Model>(ov::ResultVector{result}, ov::ParameterVector{x});
  const auto pairs = make_state_visible(model);
  ASSERT_TRUE(pairs);
  EXPECT_TRUE(pairs->empty());
  EXPECT_EQ(model->inputs().size(), 1u);
}

TEST(VisibleState, TheBackendTellsOfItOrSaysWhyNot) {
  const weights::ScratchFolder folder;
  Metrics metrics;
  LoadContext context{.metrics = metrics, .progress = {}};
  ModelSpec spec;
  spec.name = "m";
  spec.path = folder.path() / "m.xml";
  ov::save_model(accumulator(false), spec.path.string(), false);
  const auto loaded = OpenvinoBackend().load(spec, context);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const ModelDescription& d = (*loaded)->describe();
  ASSERT_EQ(d.states.size(), 1u);
  ASSERT_EQ(d.inputs.size(), 2u);
  EXPECT_EQ(d.inputs[1].name, "total");
  EXPECT_EQ(d.outputs[0].name, "y");
  EXPECT_EQ(d.outputs[1].name, "total/next");
  ov::save_model(accumulator(true), spec.path.string(), false);
  const auto refused = OpenvinoBackend().load(spec, context);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("variable 'total' is computed"), std::string::npos);
  spec.device = "GPU.7";
  const auto no_device = OpenvinoBackend().load(spec, context);
  ASSERT_FALSE(no_device);
  EXPECT_NE(no_device.error().message.find("device 'GPU.7' is not there; this machine has CPU"),
            std::string::npos);
}

TEST(VisibleState, HintsAndInstancesReachTheRuntime) {
  const weights::ScratchFolder folder;
  Metrics metrics;
  LoadContext context{.metrics = metrics, .progress = {}};
  ModelSpec spec;
  spec.name = "m";
  spec.path = folder.path() / "m.xml";
  spec.num_instances = 2;
  spec.performance_hint = "throughput";
  spec.inference_precision = "f32";
  spec.device = "CPU";
  ov::save_model(accumulator(false), spec.path.string(), false);
  const auto loaded = OpenvinoBackend().load(spec, context);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->tensor_model()->max_concurrency(), 2);
}

}  // namespace
}  // namespace millrace::backends
