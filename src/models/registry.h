// Which family a model belongs to, and building it. A new family is one file (families.h) and one
// line in registry.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "models/causal_model.h"
#include "models/decoder_weights.h"
#include "models/quantise.h"
#include "weights/weight_file.h"

namespace millrace::models {

// What a family builds from: the opened weights and, for Hugging Face folders, the parsed
// config.json (empty for GGUF, whose metadata is in the weights).
struct ModelFiles {
  const weights::WeightFile& weights;
  json::object config;
};

using BuildProgress = std::function<void(double done)>;

struct BuildOptions {
  // The longest context that will be asked for: bounds position tables and config().max_position.
  // 0: the model's own.
  int max_position = 0;
  Quantization quantization = Quantization::none;  // of float weights
  BuildProgress progress;
};

// Reads the architecture, checks every shape against the config, packs the weights with ops.table.
// Errors name the missing or misshapen tensor or config field.
Result<std::unique_ptr<CausalModel>> build_causal_model(const ModelFiles& files, kernels::Ops& ops,
                                                        const BuildOptions& options = {});
// Only the description: what `models` and the memory budget need before loading.
Result<DecoderConfig> read_decoder_config(const ModelFiles& files);

// What a model is built from, for a caller that loads it layer by layer.
struct DecoderPlan {
  DecoderConfig config;
  TensorNames names;
};
Result<DecoderPlan> plan_decoder(const ModelFiles& files);

std::vector<std::string> known_families();

}  // namespace millrace::models
