// GGUF bytes of a tiny model, by the rules of llama.cpp's converter.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>

#include "models/tiny_models.h"
#include "weights/gguf_builder.h"
#include "weights/test_files.h"
#include "weights/weight_file.h"

namespace millrace::models {
namespace {

constexpr std::uint32_t kGgufBf16 = 30;

std::uint32_t gguf_type(DType type) {
  switch (type) {
    case DType::q4_0:
      return 2;
    case DType::q4_1:
      return 3;
    case DType::q5_0:
      return 6;
    case DType::q5_1:
      return 7;
    case DType::q8_0:
      return 8;
    case DType::q4_k:
      return 12;
    case DType::q5_k:
      return 13;
    case DType::q6_k:
      return 14;
    default:
      return 0;  // f32
  }
}

struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // row-major
  std::vector<float> values;
  DType type = DType::f32;
  std::string blocks = {};
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto place = text.find(from);
  return place == std::string::npos ? text : text.replace(place, from.size(), to);
}

std::string gguf_name(std::string name) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {"model.embed_tokens", "token_embd"},
      {"transformer.wte", "token_embd"},
      {"transformer.wpe", "position_embd"},
      {"model.norm", "output_norm"},
      {"transformer.ln_f", "output_norm"},
      {"lm_head", "output"},
      {"model.layers.", "blk."},
      {"transformer.h.", "blk."},
      {"input_layernorm", "attn_norm"},
      {"ln_1", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"ln_2", "ffn_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"self_attn.q_norm", "attn_q_norm"},
      {"self_attn.k_norm", "attn_k_norm"},
      {"attn.c_attn", "attn_qkv"},
      {"attn.c_proj", "attn_output"},
      {"mlp.c_fc", "ffn_up"},
      {"mlp.c_proj", "ffn_down"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
  };
  for (const auto& [from, to] : kRules) name = replaced(std::move(name), from, to);
  return name;
}

int config_int(const json::object& config, const char* key, int fallback) {
  const json::value* value = config.if_contains(key);
  return value ? value->to_number<int>() : fallback;
}

// Within each head, rows (half, i) become (i, half): pairs i and i + half are then neighbours.
std::vector<float> permuted(const TinyTensor& tensor, int heads) {
  const auto rows = static_cast<std::size_t>(tensor.shape[0]);
  // Hostile configs leave the tensor alone: what is read back is an error then anyway.
  if (heads <= 0 || tensor.shape[0] % heads != 0) return tensor.values;
  const std::size_t width = tensor.values.size() / rows;
  const std::size_t head_dim = rows / static_cast<std::size_t>(heads);
  std::vector<float> out(tensor.values.size());
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t head = row / head_dim, in_head = row % head_dim;
    const std::size_t half = in_head / (head_dim / 2), i = in_head % (head_dim / 2);
    const std::size_t to = head * head_dim + 2 * i + half;
    std::memcpy(&out[to * width], &tensor.values[row * width], width * sizeof(float));
  }
  return out;
}

std::vector<float> transposed(const TinyTensor& tensor) {
  const auto rows = static_cast<std::size_t>(tensor.shape[0]);
  const auto columns = static_cast<std::size_t>(tensor.shape[1]);
  std::vector<float> out(tensor.values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) out[c * rows + r] = tensor.values[r * columns + c];
  }
  return out;
}

// What Llama 3.1 files carry instead of rope_scaling: a divisor of each frequency.
std::vector<float> llama3_factors(const json::object& config, const json::object& scaling) {
  const int dim = config_int(config, "head_dim", 0);
  const auto factor = scaling.at("factor").to_number<double>();
  const auto low = scaling.at("low_freq_factor").to_number<double>();
  const auto high = scaling.at("high_freq_factor").to_number<double>();
  const auto context = scaling.at("original_max_position_embeddings").to_number<double>();
  const auto theta = config.at("rope_theta").to_number<double>();
  std::vector<float> factors;
  for (int i = 0; i < dim; i += 2) {
    const double wavelength = 2 * std::numbers::pi * std::pow(theta, i / static_cast<double>(dim));
    double divisor = 1;
    if (wavelength > context / low) {
      divisor = factor;
    } else if (wavelength >= context / high) {
      const double smooth = (context / wavelength - low) / (high - low);
      divisor = 1 / ((1 - smooth) / factor + smooth);
    }
    factors.push_back(static_cast<float>(divisor));
  }
  return factors;
}

std::vector<GgufTensor> gguf_tensors(const TinyModel& model, const std::string& arch) {
  std::vector<GgufTensor> out;
  const int heads = config_int(model.config, "num_attention_heads", 1);
  const int kv_heads = config_int(model.config, "num_key_value_heads", heads);
  for (const TinyTensor& tensor : model.tensors) {
    GgufTensor copy{gguf_name(tensor.name), tensor.shape, tensor.values, tensor.type,
                    tensor.blocks};
    const bool is_q = tensor.name.find("q_proj") != std::string::npos;
    const bool is_k = tensor.name.find("k_proj") != std::string::npos;
    if (arch == "llama" && (is_q || is_k)) copy.values = permuted(tensor, is_q ? heads : kv_heads);
    const bool is_conv = tensor.name.find(".h.") != std::string::npos && tensor.shape.size() == 2;
    if (arch == "gpt2" && is_conv) {
      copy.values = transposed(tensor);
      std::swap(copy.shape[0], copy.shape[1]);
    }
    out.push_back(std::move(copy));
  }
  if (const json::value* scaling = model.config.if_contains("rope_scaling")) {
    if (scaling->as_object().contains("low_freq_factor")) {
      auto factors = llama3_factors(model.config, scaling->as_object());
      const auto count = static_cast<std::int64_t>(factors.size());
      out.push_back({"rope_freqs.weight", {count}, std::move(factors)});
    }
  }
  return out;
}

class Metadata {
 public:
  explicit Metadata(std::string arch) : arch_(std::move(arch)) {
    pairs_.string("general.architecture", arch_);
    ++count_;
  }
  void integer(const std::string& key, int value) {
    pairs_.u32(arch_ + "." + key, static_cast<std::uint32_t>(value));
    ++count_;
  }
  void number(const std::string& key, double value) {
    pairs_.key(arch_ + "." + key, weights::kF32).put(static_cast<float>(value));
    ++count_;
  }
  void word(const std::string& key, const std::string& value) {
    pairs_.string(arch_ + "." + key, value);
    ++count_;
  }
  void token(const std::string& key, int value) {
    pairs_.u32("tokenizer.ggml." + key, static_cast<std::uint32_t>(value));
    ++count_;
  }
  const std::string& bytes() const { return pairs_.bytes(); }
  std::uint64_t count() const { return count_; }

 private:
  std::string arch_;
  weights::GgufBuilder pairs_;
  std::uint64_t count_ = 0;
};

void put_rope(const json::object& config, Metadata& metadata) {
  const int heads = config_int(config, "num_attention_heads", 1);
  const int head_dim = config_int(config, "hidden_size", 0) / (heads == 0 ? 1 : heads);
  metadata.integer("rope.dimension_count", config_int(config, "head_dim", head_dim));
  const json::value* scaling = config.if_contains("rope_parameters");
  if (!scaling) scaling = config.if_contains("rope_scaling");
  const json::value* theta = config.if_contains("rope_theta");
  if (!theta) theta = scaling->as_object().if_contains("rope_theta");
  metadata.number("rope.freq_base", theta->to_number<double>());
  if (!scaling) return;
  const json::object& object = scaling->as_object();
  const json::value* type = object.if_contains("rope_type");
  const std::string word(type ? type->as_string() : object.at("type").as_string());
  if (word == "llama3") return;
  metadata.word("rope.scaling.type", word);
  metadata.number("rope.scaling.factor", object.at("factor").to_number<double>());
  if (const json::value* original = object.if_contains("original_max_position_embeddings")) {
    metadata.integer("rope.scaling.original_context_length", original->to_number<int>());
  }
}

void put_sizes(const json::object& config, Metadata& metadata) {
  metadata.integer("block_count", config_int(config, "num_hidden_layers", 0));
  metadata.integer("context_length", config_int(config, "max_position_embeddings", 0));
  metadata.integer("embedding_length", config_int(config, "hidden_size", 0));
  metadata.integer("feed_forward_length", config_int(config, "intermediate_size", 0));
  metadata.integer("attention.head_count", config_int(config, "num_attention_heads", 0));
  metadata.integer("attention.head_count_kv", config_int(config, "num_key_value_heads", 0));
  metadata.number("attention.layer_norm_rms_epsilon",
                  config.at("rms_norm_eps").to_number<double>());
  if (const int dim = config_int(config, "head_dim", 0)) {
    metadata.integer("attention.key_length", dim);
    metadata.integer("attention.value_length", dim);
  }
  if (const int window = config_int(config, "sliding_window", 0)) {
    metadata.integer("attention.sliding_window", window);
  }
  put_rope(config, metadata);
}

void put_gpt2_sizes(const json::object& config, Metadata& metadata) {
  const int width = config_int(config, "n_embd", 0);
  metadata.integer("block_count", config_int(config, "n_layer", 0));
  metadata.integer("context_length", config_int(config, "n_positions", 0));
  metadata.integer("embedding_length", width);
  metadata.integer("feed_forward_length", config_int(config, "n_inner", 4 * width));
  metadata.integer("attention.head_count", config_int(config, "n_head", 0));
  metadata.number("attention.layer_norm_epsilon",
                  config.at("layer_norm_epsilon").to_number<double>());
}

}  // namespace

std::string gguf_bytes(const TinyModel& model) {
  std::string arch(model.config.at("model_type").as_string());
  if (arch == "mistral") arch = "llama";
  Metadata metadata(arch);
  if (arch == "gpt2") {
    put_gpt2_sizes(model.config, metadata);
  } else {
    put_sizes(model.config, metadata);
  }
  metadata.token("eos_token_id", config_int(model.config, "eos_token_id", 0));

  const std::vector<GgufTensor> tensors = gguf_tensors(model, arch);
  weights::GgufBuilder file;
  file.header(tensors.size(), metadata.count()).raw(metadata.bytes());
  std::string data;
  for (const GgufTensor& tensor : tensors) {
    const bool brain = model.bf16 && tensor.shape.size() == 2;
    data.resize((data.size() + 31) / 32 * 32);
    const std::vector<std::int64_t> dims(tensor.shape.rbegin(), tensor.shape.rend());
    file.tensor(tensor.name, dims, brain ? kGgufBf16 : gguf_type(tensor.type), data.size());
    data += tensor.blocks;
    for (const float value : tensor.values) {
      const auto bits = std::bit_cast<std::uint32_t>(value);
      const std::uint32_t stored = brain ? bits >> 16 : bits;
      data.append(reinterpret_cast<const char*>(&stored), brain ? 2 : 4);
    }
  }
  data.resize((data.size() + 31) / 32 * 32);
  return file.pad().raw(data).bytes();
}

TEST(TinyGguf, IsReadBack) {
  const TinyModel model = make_tiny_model("llama_gqa");
  const weights::ScratchFolder folder;
  auto file = weights::open_weights(folder.write("model.gguf", gguf_bytes(model)));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const TensorView* embedding = (*file)->find("token_embd.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->shape, (Shape{320, 64}));
  EXPECT_EQ(static_cast<const float*>(embedding->data)[5], model.tensors.front().values[5]);
}

}  // namespace millrace::models
