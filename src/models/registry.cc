#include "models/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "models/decoder.h"
#include "models/families.h"

namespace millrace::models {
namespace {

std::vector<const Family*> families() {
  return {
      &gpt2_family(), &llama_family(), &mistral_family(), &qwen2_family(), &qwen3_family(),
  };
}

std::string hf_architecture(const json::object& config) {
  const json::value* list = config.if_contains("architectures");
  if (!list || !list->is_array() || list->get_array().empty()) return {};
  const json::value& first = list->get_array().front();
  return first.is_string() ? std::string(first.get_string()) : std::string();
}

std::string text_field(const json::object& config, const char* key) {
  const json::value* value = config.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<const Family*> find_family(const ModelFiles& files) {
  std::string architecture;
  const std::vector<const Family*> known = families();
  const auto matches = [&](const Family* family) {
    if (is_gguf(files)) {
      return family->gguf_architecture && architecture == family->gguf_architecture;
    }
    return architecture == family->hf_architecture || architecture == family->hf_model_type;
  };
  if (is_gguf(files)) {
    const std::string* name = weights::meta_string(files.weights, "general.architecture");
    if (!name) return invalid("general.architecture is missing", "architecture", "invalid_model");
    architecture = *name;
  } else {
    architecture = hf_architecture(files.config);
    if (architecture.empty()) architecture = text_field(files.config, "model_type");
    if (files.config.contains("quantization_config")) {
      return invalid("config.json: quantization_config is not supported; use GGUF or plain weights",
                     "quantization_config", "unsupported_model");
    }
  }
  const auto found = std::find_if(known.begin(), known.end(), matches);
  if (found == known.end()) {
    return invalid(fmt::format("architecture \"{}\" is not supported; known families: {}",
                               architecture, fmt::join(known_families(), ", ")),
                   "architecture", "unsupported_model");
  }
  return *found;
}

// Ids outside the vocabulary (0xffffffff in GGUF files, leftovers in cut-down models) mean none.
void drop_absent_ids(DecoderConfig& config) {
  std::erase_if(config.eos_token_ids,
                [&](std::int32_t id) { return id < 0 || id >= config.vocab_size; });
  if (config.bos_token_id >= config.vocab_size) config.bos_token_id = -1;
}

Result<DecoderConfig> read_checked_config(const Family& family, const ModelFiles& files) {
  Result<DecoderConfig> config = family.read_config(files);
  if (!config) return config;
  config->family = family.name;
  drop_absent_ids(*config);
  if (Status checked = check_decoder_config(*config); !checked) return pass(checked);
  return config;
}

}  // namespace

Result<DecoderConfig> read_decoder_config(const ModelFiles& files) {
  const Result<const Family*> family = find_family(files);
  if (!family) return std::unexpected(family.error());
  return read_checked_config(**family, files);
}

Result<DecoderPlan> plan_decoder(const ModelFiles& files) {
  const Result<const Family*> family = find_family(files);
  if (!family) return std::unexpected(family.error());
  Result<DecoderConfig> config = read_checked_config(**family, files);
  if (!config) return pass(config);
  return DecoderPlan{*std::move(config), (*family)->tensor_names(files)};
}

Result<std::unique_ptr<CausalModel>> build_causal_model(const ModelFiles& files, kernels::Ops& ops,
                                                        const BuildOptions& options) {
  Result<DecoderPlan> plan = plan_decoder(files);
  if (!plan) return pass(plan);
  DecoderConfig& config = plan->config;
  WeightSource source(files.weights, ops, options.progress, options.quantization);
  Result<DecoderWeights> weights = load_decoder_weights(config, plan->names, source);
  if (!weights) return pass(weights);
  if (options.quantization != Quantization::none && !source.has_quantised()) {
    return invalid(options.quantization == Quantization::bf16
                       ? "no weights are f32; quantization to bf16 is for files of f32"
                       : "the weights are quantised already; quantization is for files of f32, f16 "
                         "or bf16",
                   "quantization", "invalid_model");
  }
  if (Status intact = files.weights.still_intact(); !intact) return pass(intact);
  if (options.max_position > 0) {
    config.max_position = std::min(config.max_position, options.max_position);
  }
  return std::make_unique<Decoder>(std::move(config), *std::move(weights));
}

std::vector<std::string> known_families() {
  std::vector<std::string> names;
  for (const Family* family : families()) names.emplace_back(family->name);
  return names;
}

}  // namespace millrace::models
