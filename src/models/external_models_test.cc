// Models that others trained and answers that others computed: llama2.c's stories260K text, the
// logits of onnxruntime's tiny GPT-2, PyTorch's activations inside minGPT's sorting model.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "base/check.h"
#include "models/decoder.h"
#include "models/forward_rig.h"
#include "models/tiny_models.h"
#include "weights/test_files.h"

namespace millrace::models {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

json::object read_json(const std::filesystem::path& path) {
  Result<json::value> value = parse_json(read_text(path), {.max_bytes = std::size_t{64} << 20});
  MILLRACE_CHECK(value.has_value());
  return value->as_object();
}

// A Hugging Face folder or GGUF file of the shared data, opened.
struct Opened {
  std::unique_ptr<weights::WeightFile> weights;
  json::object config;
  ModelFiles files() const { return {*weights, config}; }
};

Opened open(const std::filesystem::path& path) {
  Opened opened;
  auto file = weights::open_weights(path);
  MILLRACE_CHECK(file.has_value());
  opened.weights = *std::move(file);
  if (std::filesystem::is_directory(path)) opened.config = read_json(path / "config.json");
  return opened;
}

#define FIND_OR_SKIP(variable, relative)                                 \
  const std::filesystem::path variable = weights::shared_data(relative); \
  if (variable.empty()) GTEST_SKIP() << "no shared data: set MILLRACE_DATA"

// SentencePiece pieces of a GGUF vocabulary: U+2581 is a space, <0x0A> a byte.
std::string decode_pieces(const weights::WeightFile& gguf, const std::vector<std::int32_t>& ids) {
  const auto& tokens = *weights::meta_strings(gguf, "tokenizer.ggml.tokens");
  std::string text;
  for (const std::int32_t id : ids) {
    std::string piece = tokens[static_cast<std::size_t>(id)];
    if (piece.size() == 6 && piece.starts_with("<0x")) {
      text += static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16));
      continue;
    }
    for (auto at = piece.find("\xe2\x96\x81"); at != std::string::npos;
         at = piece.find("\xe2\x96\x81")) {
      piece.replace(at, 3, " ");
    }
    text += piece;
  }
  return text.starts_with(' ') ? text.substr(1) : text;
}

TEST(Stories260K, GreedyTextIsLlama2cByteForByte) {
  FIND_OR_SKIP(folder, "A_models/llm_stories260K_llama");
  FIND_OR_SKIP(hf_folder, "A_models/derived_stories260K_hf_llama_safetensors");
  const std::string expected = read_text(folder / "expected_greedy_temp0_200steps.txt");
  const std::vector<std::int32_t> ids = golden_ids(
      read_json(folder / "derived_greedy_ids_and_first_logits.json"), "token_ids_generated");
  const Opened gguf = open(folder / "tinyllm.gguf");
  const Opened hf = open(hf_folder);
  for (const char* table : {"reference", "auto"}) {
    ForwardRig rig({.kernels = table});
    ASSERT_TRUE(rig.load(hf.files()).has_value());
    const auto tokens = rig.greedy({1}, static_cast<int>(ids.size()));
    EXPECT_EQ(tokens, ids) << table;
    EXPECT_EQ(decode_pieces(*gguf.weights, tokens), expected) << table;

    // This GGUF says 128 positions: the text as far as they go, with interleaved RoPE.
    ASSERT_TRUE(rig.load(gguf.files()).has_value());
    EXPECT_EQ(rig.model().config().max_position, 128);
    const std::string part = decode_pieces(*gguf.weights, rig.greedy({1}, 128));
    EXPECT_GT(part.size(), 250u);
    EXPECT_EQ(part, expected.substr(0, part.size())) << table;
  }
}

TEST(Stories260K, FirstLogitsAreTheIndependentRuns) {
  FIND_OR_SKIP(folder, "A_models/llm_stories260K_llama");
  const json::object golden = read_json(folder / "derived_greedy_ids_and_first_logits.json");
  const Opened gguf = open(folder / "tinyllm.gguf");
  ForwardRig rig;
  ASSERT_TRUE(rig.load(gguf.files()).has_value());
  const auto logits = rig.step({{0, {1}, {0}}});
  const json::array& expected = golden.at("first_step_logits_after_bos").as_array();
  ASSERT_EQ(expected.size(), logits[0].size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(logits[0][i], expected[i].to_number<double>(), 2e-4) << i;
  }
}

TEST(TinyRandomGpt2, LogitsAndGreedyTokensAreOnnxruntimes) {
  FIND_OR_SKIP(folder, "A_models/derived_tiny_random_gpt2_safetensors");
  const json::object golden = read_json(folder / "expected.json");
  const json::object& logits_golden = golden.at("logits").as_object();
  const json::array& sampled = logits_golden.at("expected_sampled_logits_prompt").as_array();
  const json::array& greedy = golden.at("greedy").at("expected_output").as_array();
  const Opened hf = open(folder);
  for (const char* table : {"reference", "auto"}) {
    ForwardRig rig({.kernels = table});
    ASSERT_TRUE(rig.load(hf.files()).has_value());
    std::size_t next = 0;
    for (std::size_t s = 0; s < greedy.size(); ++s) {
      std::vector<std::int32_t> prompt, expected;
      for (const json::value& id : greedy[s].as_array()) expected.push_back(id.to_number<int>());
      prompt.assign(expected.begin(), expected.begin() + 4);
      const auto logits = rig.step({{0, prompt, {0, 1, 2, 3}}});
      rig.forget(0);
      for (const auto& row : logits) {  // every 200th logit of every position
        for (std::size_t i = 0; i < row.size(); i += 200) {
          EXPECT_NEAR(row[i], sampled[next++].to_number<double>(), 1e-4) << table << " " << i;
        }
      }
      std::vector<std::int32_t> all = prompt;
      for (const std::int32_t id : rig.greedy(prompt, 6)) all.push_back(id);
      EXPECT_EQ(all, expected) << table;
    }
    EXPECT_EQ(next, sampled.size());
  }
}

std::vector<float> base64_floats(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kAlphabet.find(c));
    have += 6;
    if (have >= 8) {
      have -= 8;
      bytes += static_cast<char>(bits >> have & 0xff);
    }
  }
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// minGPT's nn.Linear is [out, in]; a GPT-2 checkpoint holds [in, out].
TinyTensor conv1d(TinyTensor tensor) {
  const auto rows = static_cast<std::size_t>(tensor.shape[0]);
  const auto columns = static_cast<std::size_t>(tensor.shape[1]);
  std::vector<float> turned(tensor.values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) turned[c * rows + r] = tensor.values[r * columns + c];
  }
  tensor.values = std::move(turned);
  std::swap(tensor.shape[0], tensor.shape[1]);
  return tensor;
}

TinyModel sorting_model(const json::object& file) {
  TinyModel model;
  model.config = {{"architectures", json::array{"GPT2LMHeadModel"}},
                  {"n_embd", 48},
                  {"n_head", 3},
                  {"n_layer", 3},
                  {"n_positions", 11},
                  {"vocab_size", 3},
                  {"tie_word_embeddings", false}};
  for (const auto& entry : file) {
    const std::string name(entry.key());
    const bool is_mask = name.ends_with(".attn.bias");
    if (name == "config" || is_mask) continue;
    TinyTensor tensor{name, {}, base64_floats(entry.value().at("data").as_string())};
    for (const json::value& dim : entry.value().at("shape").as_array()) {
      tensor.shape.push_back(dim.to_number<std::int64_t>());
    }
    const bool linear = tensor.shape.size() == 2 && name.find(".h.") != std::string::npos;
    model.tensors.push_back(linear ? conv1d(std::move(tensor)) : std::move(tensor));
  }
  return model;
}

class Recorder final : public ActivationObserver {
 public:
  void observe(ActivationPoint point, int layer, std::span<const float> values) override {
    seen_[{point, layer}].assign(values.begin(), values.end());
  }
  const std::vector<float>& at(ActivationPoint point, int layer) { return seen_[{point, layer}]; }

 private:
  std::map<std::pair<ActivationPoint, int>, std::vector<float>> seen_;
};

class SortingModel : public testing::Test {
 protected:
  void expect_near(const std::vector<float>& ours, const char* name, double bound) {
    const std::vector<float> theirs = base64_floats(partials_.at(name).at("data").as_string());
    ASSERT_EQ(ours.size(), theirs.size()) << name;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      ASSERT_NEAR(ours[i], theirs[i], bound) << name << " " << i;
    }
  }
  // [batch, heads, tokens, head_dim], as PyTorch has q, k and v, from our [batch · tokens, width].
  static std::vector<float> by_head(const std::vector<float>& ours) {
    constexpr std::size_t kBatch = 3, kTokens = 11, kHeads = 3, kDim = 16;
    std::vector<float> out;
    for (std::size_t b = 0; b < kBatch; ++b) {
      for (std::size_t h = 0; h < kHeads; ++h) {
        for (std::size_t t = 0; t < kTokens; ++t) {
          const float* row = &ours[((b * kTokens + t) * kHeads + h) * kDim];
          out.insert(out.end(), row, row + kDim);
        }
      }
    }
    return out;
  }

  json::object partials_;
};

TEST_F(SortingModel, ActivationsArePyTorchsLayerByLayer) {
  FIND_OR_SKIP(folder, "A_models/llm_gpt_nano_sort_gpt2arch");
  const TinyModel model = sorting_model(read_json(folder / "gpt-nano-sort-model.json"));
  partials_ = read_json(folder / "gpt-nano-sort-t0-partials.json");
  const weights::ScratchFolder scratch;
  auto file = weights::open_weights(scratch.write("model.safetensors", safetensors_bytes(model)));
  ASSERT_TRUE(file.has_value());
  for (const char* table : {"reference", "auto"}) {
    ForwardRig rig({.kernels = table});
    const Status loaded = rig.load({**file, model.config});
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    Recorder seen;
    rig.model().set_observer(&seen);

    const std::vector<float> ids = base64_floats(partials_.at("idx").at("data").as_string());
    std::vector<ForwardRig::Chunk> chunks(3);
    for (int b = 0; b < 3; ++b) {
      ForwardRig::Chunk& chunk = chunks[static_cast<std::size_t>(b)];
      chunk.sequence = b;
      for (int t = 0; t < 11; ++t) {
        chunk.tokens.push_back(
            static_cast<std::int32_t>(ids[static_cast<std::size_t>(b * 11 + t)]));
        chunk.rows.push_back(t);
      }
    }
    std::vector<float> logits;
    for (const auto& row : rig.step(chunks)) logits.insert(logits.end(), row.begin(), row.end());

    expect_near(seen.at(ActivationPoint::embedding, -1), "x", 1e-6);
    expect_near(by_head(seen.at(ActivationPoint::q, 0)), "q", 5e-6);
    expect_near(by_head(seen.at(ActivationPoint::k, 0)), "k", 5e-6);
    expect_near(by_head(seen.at(ActivationPoint::v, 0)), "v", 5e-6);
    expect_near(seen.at(ActivationPoint::attention, 0), "y", 5e-6);
    expect_near(seen.at(ActivationPoint::mlp, 0), "gelu", 5e-6);
    expect_near(seen.at(ActivationPoint::block, 0), "block0", 1e-5);
    expect_near(seen.at(ActivationPoint::block, 1), "block1", 1e-5);
    expect_near(seen.at(ActivationPoint::block, 2), "block2", 2e-5);
    expect_near(seen.at(ActivationPoint::final_norm, -1), "ln_f", 2e-5);
    expect_near(logits, "lm_head", 5e-5);
  }
}

}  // namespace
}  // namespace millrace::models
