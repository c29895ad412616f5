// The decoder's own promises: any cut into chunks and batches gives the same rows, memory is made
// ahead, tied weights are packed once.
#include "models/decoder.h"

#include <gtest/gtest.h>

#include "models/forward_rig.h"
#include "models/tiny_models.h"
#include "weights/test_files.h"

namespace millrace::models {
namespace {

class DecoderTest : public testing::Test {
 protected:
  ModelFiles open(const TinyModel& model) {
    weights_ = *weights::open_weights(folder_.write("model.safetensors", safetensors_bytes(model)));
    return {*weights_, model.config};
  }

  weights::ScratchFolder folder_;
  std::unique_ptr<weights::WeightFile> weights_;
};

std::vector<std::int32_t> slice(const std::vector<std::int32_t>& all, std::size_t begin,
                                std::size_t end) {
  return {all.begin() + static_cast<std::ptrdiff_t>(begin),
          all.begin() + static_cast<std::ptrdiff_t>(end)};
}

TEST_F(DecoderTest, ChunksAndBatchesGiveTheSameRowsBitForBit) {
  for (const char* name : {"llama_tied_odd", "gpt2_tied", "mistral_window"}) {
    const TinyModel model = make_tiny_model(name);
    const ModelFiles files = open(model);
    for (const char* table : {"reference", "auto"}) {
      ForwardRig rig({.kernels = table});
      ASSERT_TRUE(rig.load(files).has_value());
      const auto whole = rig.step({{0, model.prompt, {19, 39}}});
      rig.forget(0);
      // The prompt in three chunks, beside another sequence that decodes.
      rig.step({{1, slice(model.prompt, 0, 7), {}}, {2, slice(model.prompt, 5, 20), {}}});
      const auto middle =
          rig.step({{2, slice(model.prompt, 20, 21), {0}}, {1, slice(model.prompt, 7, 20), {12}}});
      const auto end =
          rig.step({{1, slice(model.prompt, 20, 40), {19}}, {2, slice(model.prompt, 21, 22), {}}});
      EXPECT_EQ(middle[1], whole[0]) << name << " " << table;
      EXPECT_EQ(end[0], whole[1]) << name << " " << table;
    }
  }
}

TEST_F(DecoderTest, RowsComeInTheOrderAsked) {
  const TinyModel model = make_tiny_model("llama_gqa");
  ForwardRig rig;
  ASSERT_TRUE(rig.load(open(model)).has_value());
  const auto forward = rig.step({{0, model.prompt, {3, 30, 9}}});
  rig.forget(0);
  const auto single = rig.step({{0, model.prompt, {9}}});
  EXPECT_EQ(forward[2], single[0]);
  EXPECT_NE(forward[0], forward[1]);
}

TEST_F(DecoderTest, ForwardAllocatesNoScratch) {
  const TinyModel model = make_tiny_model("llama_gqa");
  for (const char* table : {"reference", "auto"}) {
    ForwardRig rig({.kernels = table, .max_tokens = 64});
    ASSERT_TRUE(rig.load(open(model)).has_value());
    const std::size_t before = rig.ops().exec.scratch_bytes();
    rig.step({{0, model.prompt, {39}}, {1, slice(model.prompt, 0, 24), {0, 1, 2}}});
    rig.step({{0, {5}, {0}}, {1, {6}, {0}}});
    EXPECT_EQ(rig.ops().exec.scratch_bytes(), before) << table;
  }
}

TEST_F(DecoderTest, TiedEmbeddingsArePackedOnce) {
  const TinyModel tied = make_tiny_model("llama_tied_odd");
  TinyModel untied = tied;
  untied.config["tie_word_embeddings"] = false;
  untied.tensors.push_back({"lm_head.weight", {333, 72}, tied.tensors.front().values});
  ForwardRig rig;
  ASSERT_TRUE(rig.load(open(tied)).has_value());
  const std::int64_t tied_bytes = rig.model().weight_bytes();
  const std::int64_t tied_parameters = rig.model().num_parameters();
  ASSERT_TRUE(rig.load(open(untied)).has_value());
  EXPECT_EQ(rig.model().weight_bytes() - tied_bytes, 333 * 72 * 4);
  EXPECT_EQ(rig.model().num_parameters() - tied_parameters, 333 * 72);
  std::int64_t expected = 0;
  for (const TinyTensor& tensor : tied.tensors) {
    expected += static_cast<std::int64_t>(tensor.values.size());
  }
  EXPECT_EQ(tied_parameters, expected);
}

TEST_F(DecoderTest, LimitOfTheContextBoundsTables) {
  const TinyModel model = make_tiny_model("llama_gqa");
  const ModelFiles files = open(model);
  ForwardRig rig;
  ASSERT_TRUE(rig.load(files).has_value());
  EXPECT_EQ(rig.model().config().max_position, 256);
  auto limited = build_causal_model(files, rig.ops(), {.max_position = 100, .progress = {}});
  ASSERT_TRUE(limited.has_value());
  EXPECT_EQ((*limited)->config().max_position, 100);
}

TEST_F(DecoderTest, ProgressEndsAtOne) {
  const TinyModel model = make_tiny_model("gpt2_tied");
  const ModelFiles files = open(model);
  ForwardRig rig;
  double last = 0;
  const auto built =
      build_causal_model(files, rig.ops(), {.max_position = 0, .progress = [&](double done) {
                                              EXPECT_GE(done, last);
                                              last = done;
                                            }});
  ASSERT_TRUE(built.has_value());
  EXPECT_GT(last, 0.98);
}

}  // namespace
}  // namespace millrace::models
