// What lies beside the weights of a model: configuration, tokenizer, chat template, the model's own
// sampling defaults. Every file is bounded and hostile; errors name the file, never its folder.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "servable/description.h"
#include "weights/weight_file.h"

namespace millrace::backends {

struct ModelFolder {
  std::unique_ptr<weights::WeightFile> weights;
  bool gguf = false;
  json::object config;             // config.json; empty for GGUF
  json::object generation_config;  // generation_config.json; empty where absent
  TextAssets text;
};

// Cheap: file names only. A folder with config.json and safetensors, or with exactly one GGUF
// model; or a single such file.
bool is_model_path(const std::filesystem::path& path);

// Opens everything. GGUF carries its own vocabulary and template; a chat_template.jinja in the
// folder goes before the file's.
Result<ModelFolder> open_model_folder(const std::filesystem::path& path);

// Ids that end an answer, beyond the model config's own: generation_config.json's, and of GGUF
// vocabularies the control tokens that end a turn ("<|im_end|>", "<|eot_id|>", …).
std::vector<TokenId> extra_eos_ids(const ModelFolder& folder);

// temperature, top_k, top_p, min_p and repetition_penalty of generation_config.json, where sane.
SamplingParams default_sampling(const json::object& generation_config);

// The type that most weights have: "q4_1".
std::string dominant_weight_type(const weights::WeightFile& weights);

}  // namespace millrace::backends
