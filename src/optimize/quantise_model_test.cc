// Whole models: rounded on a text, written, opened again and served by the decoder.
#include "optimize/quantise_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "models/tiny_models.h"
#include "optimize/layer_walk.h"
#include "optimize/self_text.h"
#include "optimize/testing.h"
#include "optimize/write_model.h"
#include "weights/test_files.h"

namespace millrace::optimize {
namespace {

using models::Quantization;

struct Opened {
  explicit Opened(const std::filesystem::path& file, json::object config = {})
      : weights(std::move(*weights::open_weights(file))), files{*weights, std::move(config)} {}
  std::unique_ptr<weights::WeightFile> weights;
  models::ModelFiles files;
};

// Logits [tokens, vocab] of one pass over `prompt`, at most 64 tokens.
std::vector<float> logits_of(const models::ModelFiles& files,
                             const std::vector<std::int32_t>& prompt,
                             Quantization quantization = Quantization::none,
                             models::ActivationObserver* observer = nullptr) {
  TestOps test("auto");
  auto built = models::build_causal_model(
      files, test.ops, {.max_position = 0, .quantization = quantization, .progress = {}});
  EXPECT_TRUE(built.has_value()) << built.error().message;
  if (!built) return {};
  models::CausalModel& model = **built;
  const models::DecoderConfig& config = model.config();
  const auto count = static_cast<std::int32_t>(prompt.size());
  std::vector<std::int32_t> rows(prompt.size());
  std::iota(rows.begin(), rows.end(), 0);  // positions and slots, too
  models::KvCache kv{.shape = {.kind = kernels::KvKind::f32,
                               .block_tokens = 64,
                               .kv_heads = config.num_kv_heads,
                               .head_dim = config.head_dim},
                     .layers = {}};
  std::vector<Buffer> memory;
  for (int layer = 0; layer < config.num_layers; ++layer) {
    memory.emplace_back(test.ops.table.kv_block_bytes(kv.shape));
    kv.layers.push_back(memory.back().data());
  }
  const std::int32_t starts[] = {0, count}, block = 0;
  model.reserve(test.ops, count, count);
  model.set_observer(observer);
  std::vector<float> logits(prompt.size() * static_cast<std::size_t>(config.vocab_size));
  model.forward(test.ops,
                {.tokens = prompt,
                 .positions = rows,
                 .slots = rows,
                 .query_start = starts,
                 .context_len = {starts + 1, 1},
                 .block_table = {&block, 1},
                 .block_table_stride = 1,
                 .logit_rows = rows},
                kv, logits.data());
  return logits;
}

double rms_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// Of the tiny model's own vocabulary, in windows of 32.
std::vector<std::int32_t> text_for(const models::ModelFiles& files, std::size_t count) {
  const int vocab = models::read_decoder_config(files)->vocab_size;
  std::vector<std::int32_t> tokens;
  for (const double x : models::hashed_values("text", count))
    tokens.push_back(static_cast<std::int32_t>((x + 1) / 2 * vocab));
  return tokens;
}

std::filesystem::path write_tiny(const weights::ScratchFolder& folder, const char* name) {
  return folder.write(std::string(name) + ".safetensors",
                      safetensors_bytes(models::make_tiny_model(name)));
}

// A GGUF model of f32 as converters write it, the embedding repeated as output.
std::filesystem::path write_gguf(const weights::ScratchFolder& folder) {
  constexpr int kHidden = 64, kInner = 128, kVocab = 100;
  const weights::Metadata metadata = {{"general.architecture", std::string("llama")},
                                      {"general.file_type", std::uint64_t{0}},
                                      {"llama.block_count", std::uint64_t{1}},
                                      {"llama.embedding_length", std::uint64_t{kHidden}},
                                      {"llama.feed_forward_length", std::uint64_t{kInner}},
                                      {"llama.attention.head_count", std::uint64_t{2}},
                                      {"llama.context_length", std::uint64_t{128}}};
  std::vector<weights::DeclaredTensor> tensors = {
      {"token_embd.weight", DType::f32, Shape{kVocab, kHidden}},
      {"output.weight", DType::f32, Shape{kVocab, kHidden}},
      {"output_norm.weight", DType::f32, Shape{kHidden}},
      {"blk.0.attn_norm.weight", DType::f32, Shape{kHidden}},
      {"blk.0.ffn_norm.weight", DType::f32, Shape{kHidden}},
      {"blk.0.ffn_gate.weight", DType::f32, Shape{kInner, kHidden}},
      {"blk.0.ffn_up.weight", DType::f32, Shape{kInner, kHidden}},
      {"blk.0.ffn_down.weight", DType::f32, Shape{kHidden, kInner}}};
  for (const char* name : {"q", "k", "v", "output"}) {
    tensors.push_back(
        {std::string("blk.0.attn_") + name + ".weight", DType::f32, Shape{kHidden, kHidden}});
  }
  auto writer = weights::WeightWriter::create(folder.path() / "floats.gguf",
                                              weights::FileFormat::gguf, metadata, tensors);
  unsigned seed = 0;
  for (const weights::DeclaredTensor& tensor : tensors) {
    seed += tensor.name == "output.weight" ? 0 : 1;  // the same as the embedding
    const auto values = normals(static_cast<int>(tensor.shape.num_elements()), seed, 0.3f);
    EXPECT_TRUE(writer->add(std::as_bytes(std::span(values))).has_value());
  }
  EXPECT_TRUE(writer->finish().has_value());
  return folder.path() / "floats.gguf";
}

// Rounds, writes, opens again, and compares what both answer to `prompt`.
void expect_near(const Opened& source, const std::vector<std::int32_t>& prompt,
                 weights::FileFormat format, Quantization quantization) {
  TestOps test("auto");
  const weights::ScratchFolder folder;
  const auto model = quantise_model(
      source.files, test.ops, text_for(source.files, 256),
      {.quantization = quantization, .pure = false, .context = 32, .rounding = {}, .progress = {}});
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const auto path =
      folder.path() / (format == weights::FileFormat::gguf ? "out.gguf" : "out.safetensors");
  const auto written = write_model(*source.weights, *model, "label", format, path);
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_LT(written->file_bytes, source.weights->num_bytes());
  const Opened result(path, source.files.config);
  EXPECT_EQ(*weights::meta_string(*result.weights, "millrace.quantization"), "label");
  const auto exact = logits_of(source.files, prompt);
  const double error = rms_difference(exact, logits_of(result.files, prompt)),
               plain = rms_difference(exact, logits_of(source.files, prompt, quantization));
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 1.2 * plain);  // it was fitted on a text that is not the prompt

  const auto again = quantise_model(result.files, test.ops, text_for(source.files, 64),
                                    {.pure = true, .context = 32, .rounding = {}, .progress = {}});
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().message.find("expected f32, f16 or bf16"), std::string::npos);
}

// Straight, fused and transposed matrices, tied heads and untied, biases.
TEST(QuantiseModel, SafetensorsAreServedAsWritten) {
  const weights::ScratchFolder folder;
  for (const char* name : {"llama_gqa", "llama_biases", "qwen3", "gpt2_tied"}) {
    SCOPED_TRACE(name);
    const models::TinyModel tiny = models::make_tiny_model(name);
    const Opened source(write_tiny(folder, name), tiny.config);
    for (const Quantization quantization : {Quantization::int8, Quantization::int4_g64})
      expect_near(source, tiny.prompt, weights::FileFormat::safetensors, quantization);
  }
}

TEST(QuantiseModel, GgufIsServedAsWritten) {
  const weights::ScratchFolder folder;
  const Opened source(write_gguf(folder));
  const std::vector<std::int32_t> prompt = {5, 17, 99, 0, 42, 63, 8};
  for (const Quantization quantization :
       {Quantization::int8, Quantization::int4_g32, Quantization::int4_g128})
    expect_near(source, prompt, weights::FileFormat::gguf, quantization);
}

class FirstLayer final : public models::ActivationObserver {
 public:
  void observe(models::ActivationPoint point, int layer, std::span<const float> values) override {
    using Point = models::ActivationPoint;
    if (point == Point::block && layer == 0) block.assign(values.begin(), values.end());
    if (point == Point::mlp_input && layer == 0) mlp_input.assign(values.begin(), values.end());
  }
  std::vector<float> block, mlp_input;
};

// A walk sees what the whole model sees.
TEST(LayerWalk, GoesTheWayOfTheModel) {
  TestOps test("auto");
  const weights::ScratchFolder folder;
  const models::TinyModel tiny = models::make_tiny_model("llama_gqa");
  const Opened source(folder.write("m.safetensors", safetensors_bytes(tiny)), tiny.config);
  FirstLayer seen;
  logits_of(source.files, tiny.prompt, Quantization::none, &seen);

  const auto plan = models::plan_decoder(source.files);
  ASSERT_TRUE(plan.has_value());
  models::WeightSource weights(*source.weights, test.ops);
  LayerWalk walk(test.ops, plan->config, tiny.prompt, 64);
  models::DecoderWeights first;
  first.embedding =
      weights.matrix(plan->names.embedding, plan->config.vocab_size, plan->config.hidden_size);
  walk.embed(std::move(first));
  const LayerMoments moments =
      walk.measure(models::load_layer_weights(plan->config, plan->names, 0, weights));
  walk.pass(models::load_layer_weights(plan->config, plan->names, 0, weights));
  ASSERT_EQ(walk.stream().size(), seen.block.size());
  for (std::size_t i = 0; i < seen.block.size(); ++i)
    EXPECT_NEAR(walk.stream()[i], seen.block[i], 1e-4 * (1 + std::fabs(seen.block[i])));
  const int width = plan->config.hidden_size;
  double sum = 0;
  for (std::size_t i = 1; i < seen.mlp_input.size(); i += static_cast<std::size_t>(width))
    sum += static_cast<double>(seen.mlp_input[i]) * static_cast<double>(seen.mlp_input[i]);
  EXPECT_NEAR(at(moments.mlp_input, 1, 1, width), sum, 1e-3 * sum);
}

TEST(SelfText, IsRepeatableAndOfTheVocabulary) {
  const weights::ScratchFolder folder;
  const models::TinyModel tiny = models::make_tiny_model("llama_gqa");
  const Opened source(folder.write("m.safetensors", safetensors_bytes(tiny)), tiny.config);
  std::vector<std::vector<std::int32_t>> texts;
  for (const std::uint64_t seed : {1, 1, 2}) {
    TestOps test("auto");
    auto model = models::build_causal_model(source.files, test.ops, {.progress = {}});
    ASSERT_TRUE(model.has_value());
    texts.push_back(
        write_text(**model, test.ops, {.windows = 3, .context = 20, .seed = seed, .progress = {}}));
    EXPECT_EQ(texts.back().size(), 60u);
    for (const std::int32_t token : texts.back()) {
      EXPECT_GE(token, 0);
      EXPECT_LT(token, (*model)->config().vocab_size);
    }
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_NE(texts[0], texts[2]);
}

}  // namespace
}  // namespace millrace::optimize
