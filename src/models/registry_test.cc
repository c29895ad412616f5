// Hostile and odd model files: each is an error that names the field or tensor, never a crash.
#include "models/registry.h"

#include <gtest/gtest.h>

#include <limits>

#include "models/forward_rig.h"
#include "models/gguf_config.h"
#include "models/rms_rope_config.h"
#include "models/tiny_models.h"
#include "weights/test_files.h"

namespace millrace::models {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The error of building this model from its files; empty when it builds.
std::string build_error(const TinyModel& model, bool gguf) {
  const weights::ScratchFolder folder;
  auto opened =
      weights::open_weights(gguf ? folder.write("model.gguf", gguf_bytes(model))
                                 : folder.write("model.safetensors", safetensors_bytes(model)));
  if (!opened) return opened.error().message;
  ForwardRig rig({.num_blocks = 4});
  const Status loaded = rig.load({**opened, gguf ? json::object() : model.config});
  return loaded ? "" : loaded.error().message;
}

struct BadField {
  const char* model;
  const char* field;
  json::value value;
  const char* expected;       // in the error of the safetensors folder
  const char* expected_gguf;  // "": not asked
};

TEST(HostileConfigs, AreErrorsThatNameTheField) {
  const json::object dynamic_rope{{"rope_type", "dynamic"}, {"factor", 2.0}};
  const json::object tiny_factor{{"type", "linear"}, {"factor", 0.0}};
  const json::object no_factor{{"type", "linear"}};
  const BadField cases[] = {
      {"llama_gqa", "num_attention_heads", 0, "num_attention_heads is 0",
       "llama.attention.head_count"},
      {"llama_gqa", "num_attention_heads", -4, "num_attention_heads is -4", "head_count"},
      {"llama_gqa", "num_attention_heads", 7, "hidden_size (64) is not a multiple",
       "embedding_length"},
      {"llama_gqa", "num_key_value_heads", 3, "not a multiple of num_kv_heads (3)",
       "not a multiple of num_kv_heads (3)"},
      {"llama_gqa", "num_key_value_heads", 8, "num_kv_heads is 8", "head_count_kv is 8"},
      {"llama_gqa", "num_hidden_layers", 0, "num_hidden_layers is 0", "block_count"},
      {"llama_gqa", "num_hidden_layers", 1000, "model.layers.3.input_layernorm.weight is missing",
       "blk.3.attn_norm.weight is missing"},
      {"llama_gqa", "num_hidden_layers", 4'000'000'000, "num_hidden_layers is 4000000000", ""},
      {"llama_gqa", "num_hidden_layers", 2, "layers.2.input_layernorm.weight is there",
       "blk.2.attn_norm.weight is there"},
      {"llama_gqa", "num_hidden_layers", "three", "num_hidden_layers is not a whole number", ""},
      {"llama_gqa", "hidden_size", 1 << 30, "hidden_size is 1073741824", "embedding_length"},
      {"llama_gqa", "hidden_size", 128, "is [320, 64], expected [320, 128]", "expected [320, 128]"},
      {"llama_gqa", "vocab_size", 321, "model.embed_tokens.weight is [320, 64], expected [321, 64]",
       ""},
      {"llama_gqa", "vocab_size", nullptr, "vocab_size is missing", ""},
      {"llama_gqa", "intermediate_size", 177,
       "mlp.gate_proj.weight is [176, 64], expected [177, 64]",
       "blk.0.ffn_gate.weight is [176, 64], expected [177, 64]"},
      {"llama_gqa", "rms_norm_eps", kNan, "rms_norm_eps is nan", "rms_epsilon"},
      {"llama_gqa", "rms_norm_eps", -1.0, "rms_norm_eps is -1", "rms_epsilon is -1"},
      {"llama_gqa", "rope_theta", kNan, "rope_theta is nan", "freq_base"},
      {"llama_gqa", "rope_theta", 0.0, "rope_theta is 0", "freq_base is 0"},
      {"llama_gqa", "rope_theta", 1.0, "rope theta must be", "rope theta must be"},
      {"llama_gqa", "head_dim", 17, "rotary_dim is 17", ""},
      {"llama_gqa", "head_dim", 0, "head_dim is 0", ""},
      {"llama_gqa", "rope_scaling", dynamic_rope, "rope_type is \"dynamic\"", ""},
      {"llama_gqa", "rope_scaling", tiny_factor, "rope_scaling: factor is 0", ""},
      {"llama_gqa", "rope_scaling", no_factor, "rope_scaling: factor is missing", ""},
      {"llama_gqa", "rope_scaling", "linear", "rope_scaling is not an object", ""},
      {"llama_gqa", "hidden_act", "sine", "hidden_act is \"sine\"", ""},
      {"llama_gqa", "tie_word_embeddings", "yes", "tie_word_embeddings is neither", ""},
      {"llama_gqa", "eos_token_id", "end", "eos_token_id is not a whole number", ""},
      {"llama_gqa", "attention_bias", true, "self_attn.q_proj.bias is missing", ""},
      {"llama_gqa", "quantization_config", no_factor, "quantization_config is not supported", ""},
      {"llama_gqa", "max_position_embeddings", 0, "max_position_embeddings is 0", "context_length"},
      {"llama_tied_odd", "tie_word_embeddings", false, "lm_head.weight is missing", ""},
      {"gpt2_tied", "n_head", 0, "n_head is 0", "gpt2.attention.head_count"},
      {"gpt2_tied", "n_head", 5, "n_embd is not a multiple of n_head", "is not a multiple"},
      {"gpt2_tied", "n_positions", 161, "wpe.weight is [160, 64], expected [161, 64]",
       "position_embd.weight is [160, 64], expected [161, 64]"},
      {"gpt2_tied", "n_inner", 100, "c_fc.weight is [64, 256], expected [64, 100]", ""},
      {"gpt2_tied", "scale_attn_by_inverse_layer_idx", true, "is not supported", ""},
  };
  for (const BadField& bad : cases) {
    TinyModel model = make_tiny_model(bad.model);
    model.config[bad.field] = bad.value;
    const std::string error = build_error(model, false);
    EXPECT_NE(error.find(bad.expected), std::string::npos) << bad.field << ": " << error;
    if (*bad.expected_gguf == '\0') continue;
    const std::string gguf_error = build_error(model, true);
    EXPECT_NE(gguf_error.find(bad.expected_gguf), std::string::npos)
        << bad.field << " (gguf): " << gguf_error;
  }
}

TEST(HostileConfigs, ALongContextIsCut) {
  TinyModel model = make_tiny_model("llama_gqa");
  model.config["max_position_embeddings"] = 2'147'483'648;
  const weights::ScratchFolder folder;
  auto file = weights::open_weights(folder.write("model.safetensors", safetensors_bytes(model)));
  const auto config = read_decoder_config({**file, model.config});
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->max_position, kMaxContext);
}

TEST(HostileTensors, AreErrorsThatNameTheTensor) {
  TinyModel model = make_tiny_model("llama_gqa");
  TinyTensor& norm = model.tensors.back().name == "lm_head.weight"
                         ? model.tensors[model.tensors.size() - 2]
                         : model.tensors.back();
  ASSERT_EQ(norm.name, "model.norm.weight");
  norm.values[3] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(build_error(model, false), "tensor model.norm.weight holds a value that is not finite");
  norm.shape = {8, 8};
  EXPECT_EQ(build_error(model, false), "tensor model.norm.weight is [8, 8], expected [64]");
}

TEST(Registry, UnknownArchitecturesListTheKnown) {
  TinyModel model = make_tiny_model("llama_gqa");
  model.config["architectures"] = json::array{"MambaForCausalLM"};
  EXPECT_EQ(build_error(model, false),
            "architecture \"MambaForCausalLM\" is not supported; known families: gpt2, llama, "
            "mistral, qwen2, qwen3");
  model.config["architectures"] = 5;  // model_type decides then
  EXPECT_EQ(build_error(model, false), "");
  model.config.erase("model_type");
  EXPECT_NE(build_error(model, false).find("architecture \"\""), std::string::npos);
}

TEST(Registry, EosIdsOutsideTheVocabularyMeanNone) {
  TinyModel model = make_tiny_model("llama_gqa");
  model.config["eos_token_id"] = json::array{5, 50256};
  const weights::ScratchFolder folder;
  auto file = weights::open_weights(folder.write("model.safetensors", safetensors_bytes(model)));
  const auto config = read_decoder_config({**file, model.config});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->eos_token_ids, std::vector<std::int32_t>{5});
}

TEST(Registry, AGgufThatRepeatsItsEmbeddingIsTied) {
  TinyModel model = make_tiny_model("llama_tied_odd");
  model.tensors.push_back({"lm_head.weight", {333, 72}, model.tensors.front().values});
  const weights::ScratchFolder folder;
  auto same = weights::open_weights(folder.write("same.gguf", gguf_bytes(model)));
  EXPECT_TRUE(read_decoder_config({**same, {}})->tied_embeddings);
  model.tensors.back().values[7] += 1.0f;
  auto other = weights::open_weights(folder.write("other.gguf", gguf_bytes(model)));
  EXPECT_FALSE(read_decoder_config({**other, {}})->tied_embeddings);
}

TEST(QwenWindow, AllLayersOrNone) {
  const auto window = [](std::string_view text, int layers) {
    const json::object object = parse_json(text)->as_object();
    ConfigFields fields(object);
    DecoderConfig config;
    config.num_layers = layers;
    read_qwen_window(fields, config);
    return fields.status() ? config.sliding_window : -1;
  };
  EXPECT_EQ(window(R"({"sliding_window": 64, "use_sliding_window": false})", 4), 0);
  EXPECT_EQ(window(R"({"sliding_window": 64, "use_sliding_window": true})", 4), 64);
  EXPECT_EQ(
      window(R"({"sliding_window": 64, "use_sliding_window": true, "max_window_layers": 4})", 4),
      0);
  EXPECT_EQ(
      window(R"({"sliding_window": 64, "use_sliding_window": true, "max_window_layers": 2})", 4),
      -1);
}

}  // namespace
}  // namespace millrace::models
