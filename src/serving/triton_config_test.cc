#include "serving/triton_config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "serving/fake_model.h"
#include "serving/model_settings.h"
#include "serving/model_tables.h"
#include "serving/triton_sequences.h"

namespace millrace::serving {
namespace {

class TritonConfigTest : public testing::Test {
 protected:
  TritonConfigTest() { model.backend = &backend; }
  Status apply(std::string_view text) {
    return apply_triton_config_text(text, folder.path(), "m", model);
  }
  std::string error_of(std::string_view text) {
    const Status done = apply(text);
    return done ? "" : done.error().message;
  }
  FakeBackend backend;
  TemporaryFolder folder;
  FoundModel model;
};

TEST_F(TritonConfigTest, TensorsAndBatches) {
  std::ofstream(folder.path() / "labels.txt") << "cat\ndog\r\nbird";
  const Status done = apply(R"(
name: "m"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 format: FORMAT_NONE dims: [ 3, -1 ] } ]
output [ { name: "y" data_type: TYPE_STRING dims: [ 1 ] reshape { shape: [ ] } label_filename: "labels.txt" } ]
dynamic_batching {
  preferred_batch_size: [ 8, 4 ]
  max_queue_delay_microseconds: 300
  priority_levels: 3 default_priority_level: 2
  default_queue_policy { max_queue_size: 16 default_timeout_microseconds: 5000 timeout_action: DELAY }
  priority_queue_policy { key: 1 value { max_queue_size: 4 } }
}
instance_group [ { count: 2 kind: KIND_CPU } ]
version_policy: { specific { versions: [ 3, 1 ] } }
optimization { graph { level: 1 } }
)");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(model.spec.max_batch_size, 8);
  EXPECT_EQ(model.spec.batch_axis, "0");
  EXPECT_EQ(model.spec.num_instances, 2);
  EXPECT_EQ(model.spec.device, "CPU");
  ASSERT_EQ(model.graph.inputs.size(), 1u);
  const TensorDeclaration& x = model.graph.inputs[0];
  EXPECT_EQ(x.dims, (std::vector<std::int64_t>{3, -1}));
  EXPECT_EQ(x.dtype, DType::f32);
  EXPECT_EQ(x.where, "config.pbtxt:4");
  const TensorDeclaration& y = model.graph.outputs[0];
  EXPECT_EQ(y.dtype, DType::bytes);
  ASSERT_TRUE(y.reshape);
  EXPECT_TRUE(y.reshape->empty());
  EXPECT_EQ(y.labels, (std::vector<std::string>{"cat", "dog", "bird"}));
  const BatchSettings& batch = model.graph.batch;
  EXPECT_EQ(batch.preferred_sizes, (std::vector<int>{4, 8}));
  EXPECT_EQ(batch.max_delay, std::chrono::microseconds(300));
  EXPECT_EQ(batch.priority_levels, 3);
  EXPECT_EQ(batch.default_priority, 2);
  EXPECT_EQ(batch.queue.max_size, 16);
  EXPECT_EQ(batch.queue.default_timeout, std::chrono::microseconds(5000));
  EXPECT_TRUE(batch.queue.late_is_delayed);
  ASSERT_EQ(batch.queue_of.size(), 1u);
  EXPECT_EQ(batch.queue_of[0].first, 1);
  EXPECT_EQ(batch.queue_of[0].second.max_size, 4);
  EXPECT_EQ(to_string(model.rules.policy), "specific:1,3");
  EXPECT_EQ(model.warnings,
            std::vector<std::string>{"config.pbtxt:15: optimization means nothing here: ignored"});
}

TEST_F(TritonConfigTest, WhatIsNotHonouredIsSaid) {
  ASSERT_TRUE(
      apply("dynamic_batching { preserve_ordering: false\n"
            "default_queue_policy { allow_timeout_override: true } }"));
  EXPECT_TRUE(model.warnings.empty());
  ASSERT_TRUE(
      apply("dynamic_batching { preserve_ordering: true\n"
            "default_queue_policy { allow_timeout_override: false } }"));
  EXPECT_EQ(model.warnings,
            (std::vector<std::string>{
                "config.pbtxt:1: preserve_ordering is not honoured",
                "config.pbtxt:2: allow_timeout_override is not honoured: a request may be more "
                "urgent"}));
}

TEST_F(TritonConfigTest, SequencesAndWarmUp) {
  folder.file("initial_state/zeros", 8);
  folder.file("warmup/x.bin", 12);
  const Status done = apply(R"(
sequence_batching {
  max_sequence_idle_microseconds: 5000000
  control_input [ { name: "START" control [ { kind: CONTROL_SEQUENCE_START fp32_false_true: [ -1, 2 ] } ] },
                  { name: "ID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] } ]
  state [ { input_name: "s_in" output_name: "s_out" data_type: TYPE_INT32 dims: [ -1 ]
            initial_state { name: "i" data_type: TYPE_INT32 dims: [ 2 ] data_file: "zeros" } } ]
  oldest { max_candidate_sequences: 4 max_queue_delay_microseconds: 100 }
}
model_warmup [ { name: "w" batch_size: 4 count: 2
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 3 ] input_data_file: "x.bin" } }
  inputs { key: "z" value { data_type: TYPE_FP32 dims: [ 3 ] random_data: true } } } ]
)");
  ASSERT_TRUE(done) << done.error().message;
  const SequenceSettings& sequence = model.graph.sequence;
  EXPECT_TRUE(sequence.enabled);
  EXPECT_EQ(sequence.max_idle, std::chrono::seconds(5));
  ASSERT_EQ(sequence.controls.size(), 2u);
  EXPECT_EQ(sequence.controls[0].off, -1);
  EXPECT_EQ(sequence.controls[0].on, 2);
  EXPECT_EQ(sequence.controls[1].control, SequenceControl::id);
  ASSERT_EQ(sequence.states.size(), 1u);
  EXPECT_EQ(sequence.states[0].input, "s_in");
  EXPECT_EQ(sequence.states[0].dims, std::vector<std::int64_t>{2});
  EXPECT_EQ(sequence.states[0].initial.size(), 8u);
  EXPECT_EQ(model.graph.batch.max_delay, std::chrono::microseconds(100));
  ASSERT_EQ(model.graph.warmup.size(), 1u);
  EXPECT_EQ(model.graph.warmup[0].rows, 4);
  EXPECT_EQ(model.graph.warmup[0].inputs[0].data.size(), 12u);
  EXPECT_EQ(model.graph.warmup[0].inputs[1].fill, WarmupInput::Fill::random);
  EXPECT_TRUE(model.warnings.empty());
}

TEST_F(TritonConfigTest, RefusesByNameAndLine) {
  EXPECT_EQ(error_of("\nname: \"other\""),
            "config.pbtxt:2: name is 'other', but the model's folder is 'm'");
  EXPECT_EQ(error_of("backend: \"tensorrt\""),
            "config.pbtxt:1: backend 'tensorrt' cannot be run here");
  EXPECT_EQ(error_of("platform: \"onnxruntime_onnx\""),
            "config.pbtxt:1: platform is 'onnxruntime_onnx', but the model's files are for 'fake'");
  EXPECT_EQ(error_of("backend: \"fake\""), "");
  EXPECT_EQ(error_of("max_batch_size: -1"),
            "config.pbtxt:1: max_batch_size must be a whole number from 0 to 65536");
  EXPECT_EQ(error_of("input { dims: 1 }"), "config.pbtxt:1: input has no name");
  EXPECT_NE(error_of("input { name: \"x\" data_type: FP32 }").find("TYPE_FP32"), std::string::npos);
  EXPECT_NE(error_of("input { name: \"x\" dims: [1,1,1,1,1,1,1,1,1] }").find("dimensions"),
            std::string::npos);
  EXPECT_NE(error_of("output { name: \"y\" label_filename: \"../secret\" }").find("config.pbtxt:1"),
            std::string::npos);
  EXPECT_NE(error_of("instance_group { kind: KIND_TPU }").find("KIND_AUTO"), std::string::npos);
  EXPECT_NE(error_of("sequence_batching { state { input_name: \"a\" } }").find("output_name"),
            std::string::npos);
  EXPECT_NE(error_of("dynamic_batching: 1").find("must be a message"), std::string::npos);
}

TEST_F(TritonConfigTest, AModelFileMayHaveAnotherName) {
  std::ofstream(folder.path() / "config.pbtxt") << "default_model_filename: \"net.onnx\"";
  EXPECT_EQ(triton_model_filename(folder.path()), "net.onnx");
  EXPECT_TRUE(apply_triton_config(folder.path(), "m", model));
  std::ofstream(folder.path() / "config.pbtxt") << "default_model_filename: \"../net.onnx\"";
  EXPECT_EQ(triton_model_filename(folder.path()), "");
  EXPECT_TRUE(apply_triton_config(folder.path() / "absent", "m", model)) << "there need not be one";
}

TEST_F(TritonConfigTest, ModelTomlWins) {
  ASSERT_TRUE(apply("max_batch_size: 8 instance_group { count: 2 kind: KIND_GPU }"));
  const SettingsFile file{.folder = folder.path(),
                          .name = "model.toml",
                          .text = "max-batch-size = 4\ndevice = \"CPU\""};
  ASSERT_TRUE(apply_model_settings(file, false, model));
  EXPECT_EQ(model.spec.max_batch_size, 4);
  EXPECT_EQ(model.spec.device, "CPU");
  EXPECT_EQ(model.spec.num_instances, 2);
  EXPECT_EQ(model.spec.batch_axis, "0");
}

TEST(Datatypes, AreKnownByBothNames) {
  EXPECT_EQ(parse_datatype("FP32"), DType::f32);
  EXPECT_EQ(parse_datatype("TYPE_BF16"), DType::bf16);
  EXPECT_EQ(parse_datatype("TYPE_STRING"), DType::bytes);
  EXPECT_EQ(parse_datatype("FP33"), std::nullopt);
  std::optional<DType> type;
  std::vector<std::string> warnings;
  const PbtxtField field{.name = "data_type", .line = 3, .text = "FP32"};
  EXPECT_FALSE(read_data_type({.file = "c", .warnings = &warnings}, field, type));
}

}  // namespace
}  // namespace millrace::serving
