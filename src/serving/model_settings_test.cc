#include "serving/model_settings.h"

#include <gtest/gtest.h>

#include <fstream>

#include "serving/fake_model.h"
#include "serving/model_tables.h"

namespace millrace::serving {
namespace {

class ModelSettingsTest : public testing::Test {
 protected:
  Status apply(const std::string& toml, bool of_version = false) {
    std::ofstream(folder.path() / "model.toml") << toml;
    const auto file = read_settings_file(folder.path());
    EXPECT_TRUE(file && *file);
    return apply_model_settings(**file, of_version, model);
  }
  TemporaryFolder folder;
  FoundModel model;
  ModelSpec& spec = model.spec;
};

TEST_F(ModelSettingsTest, ThereNeedNotBeAFile) {
  const auto none = read_settings_file(folder.path());
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

TEST_F(ModelSettingsTest, KeysAreTheFlags) {
  spec.max_num_seqs = 5;
  const auto done = apply(R"(max-model-len = 1024
kv_cache_memory = "2MiB"
precision = "exact"
enable-prefix-caching = false
sim-step-ms = 2.5
)");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(spec.max_model_len, 1024);
  EXPECT_EQ(spec.kv_cache_bytes, 2 << 20);
  EXPECT_EQ(spec.precision, "exact");
  EXPECT_FALSE(spec.enable_prefix_caching);
  EXPECT_EQ(spec.max_num_seqs, 5) << "what is not named stays";
  EXPECT_EQ(spec.sim, (std::map<std::string, std::string>{{"step_ms", "2.5"}}));
}

TEST_F(ModelSettingsTest, ErrorsNameFileAndLine) {
  const auto unknown = apply("max-model-len = 8\nmax-modl-len = 9\n");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("model.toml:2"), std::string::npos)
      << unknown.error().message;
  EXPECT_FALSE(apply("max-model-len = -1"));
  EXPECT_FALSE(apply("precision = \"best\""));
  EXPECT_FALSE(apply("= ="));
}

TEST_F(ModelSettingsTest, ASingleFileHasItsOwn) {
  folder.file("m.fake");
  std::ofstream(folder.path() / "m.toml") << "max-num-seqs = 3";
  const auto file = read_settings_file(folder.path() / "m.fake");
  ASSERT_TRUE(file && *file);
  EXPECT_EQ((*file)->name, "m.toml");
  ASSERT_TRUE(apply_model_settings(**file, false, model));
  EXPECT_EQ(spec.max_num_seqs, 3);
}

TEST_F(ModelSettingsTest, GraphsHaveQueuesDevicesAndVersions) {
  const auto done = apply(R"(version-policy = "latest:2"
preferred-batch-sizes = [8, 4]
max-queue-delay-us = 250
max-queue-size = 7
default-timeout-us = 1000
timeout-action = "delay"
priority-levels = 3
default-priority-level = 2
instances = 2
device = "AUTO"
batch-axis = "none"
performance-hint = "throughput"
inference-precision = "f32"
signatures = ["serving_default", "regress_x_to_y"]
[version-labels]
stable = 3
[image]
task = "classify"
[[input]]
name = "x"
)");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(to_string(model.rules.policy), "latest:2");
  EXPECT_EQ(model.rules.labels.at("stable"), 3u);
  const BatchSettings& batch = model.graph.batch;
  EXPECT_EQ(batch.preferred_sizes, (std::vector<int>{4, 8}));
  EXPECT_EQ(batch.max_delay, std::chrono::microseconds(250));
  EXPECT_EQ(batch.queue.max_size, 7);
  EXPECT_EQ(batch.queue.default_timeout, std::chrono::milliseconds(1));
  EXPECT_TRUE(batch.queue.late_is_delayed);
  EXPECT_EQ(batch.priority_levels, 3);
  EXPECT_EQ(batch.default_priority, 2);
  EXPECT_EQ(spec.num_instances, 2);
  EXPECT_EQ(spec.device, "AUTO");
  EXPECT_EQ(spec.batch_axis, "none");
  EXPECT_EQ(spec.performance_hint, "throughput");
  EXPECT_EQ(spec.inference_precision, "f32");
  EXPECT_EQ(spec.signatures, (std::vector<std::string>{"serving_default", "regress_x_to_y"}));
}

TEST_F(ModelSettingsTest, StatesControlsAndWarmUpAreTables) {
  folder.file("first", 8);
  const auto done = apply(R"(max-sequence-idle-us = 500000
max-sequences = 9
[[state]]
input = "s"
output = "t"
datatype = "INT64"
dims = [1]
initial = "first"
[[control]]
kind = "start"
input = "START"
on = 2
[[warmup]]
rows = 4
[[warmup.input]]
name = "x"
data = "random"
)");
  ASSERT_TRUE(done) << done.error().message;
  const SequenceSettings& sequence = model.graph.sequence;
  EXPECT_TRUE(sequence.enabled);
  EXPECT_EQ(sequence.max_idle, std::chrono::milliseconds(500));
  EXPECT_EQ(sequence.max_sequences, 9);
  ASSERT_EQ(sequence.states.size(), 1u);
  EXPECT_EQ(sequence.states[0].initial.size(), 8u);
  ASSERT_EQ(sequence.controls.size(), 1u);
  EXPECT_EQ(sequence.controls[0].on, 2);
  ASSERT_EQ(model.graph.warmup.size(), 1u);
  EXPECT_EQ(model.graph.warmup[0].rows, 4);
}

TEST_F(ModelSettingsTest, WrongTablesAreNamed) {
  const auto error_of = [&](const std::string& toml) {
    const Status done = apply(toml);
    return done ? std::string("none") : done.error().message;
  };
  EXPECT_EQ(error_of("[[state]]\ninput = \"s\""),
            "model.toml:1: [[state]]: 'output' must be a text");
  EXPECT_EQ(error_of("[[state]]\ninput = \"s\"\noutput = \"t\"\ninital = \"x\""),
            "model.toml:1: [[state]]: unknown key \"inital\"");
  EXPECT_EQ(error_of("[[control]]\nkind = \"begin\"\ninput = \"s\""),
            "model.toml:1: [[control]]: 'kind' must be start, ready, end or id");
  EXPECT_NE(error_of("[version-labels]\n7 = 3").find("a label is a word"), std::string::npos);
  EXPECT_NE(error_of("[images]\na = 3").find("model.toml:1: unknown setting"), std::string::npos);
  EXPECT_NE(error_of("version-policy = \"newest\"").find("model.toml: \"newest\""),
            std::string::npos);
  EXPECT_NE(error_of("preferred-batch-sizes = [0]").find("from 1 to 65536"), std::string::npos);
  EXPECT_FALSE(apply("version-policy = \"all\"", true)) << "a version does not choose versions";
}

}  // namespace
}  // namespace millrace::serving
