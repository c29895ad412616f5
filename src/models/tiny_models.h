// For tests: tiny random models, rebuilt from the goldens that tools/goldens/model_goldens.py wrote
// with transformers. Weights are a hash of tensor name and index, so no weights are stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace millrace::models {

struct TinyTensor {
  std::string name;  // as in the Hugging Face checkpoint
  std::vector<std::int64_t> shape;
  std::vector<float> values;  // already rounded to bf16 where the model is bf16
};

// The log-probabilities that transformers gave after position `position` of the prompt.
struct GoldenRow {
  int position = 0;
  std::vector<int> ids;
  std::vector<double> log_probs;
};

struct TinyModel {
  std::string name;
  json::object config;
  bool bf16 = false;
  std::vector<TinyTensor> tensors;
  std::vector<std::int32_t> prompt;
  std::vector<GoldenRow> rows;
  std::vector<std::int32_t> greedy;

  const TinyTensor& tensor(std::string_view tensor_name) const;
};

// [-1, 1): FNV-1a of the text seeds SplitMix64, 24 bits a value.
std::vector<double> hashed_values(std::string_view seed_text, std::size_t count);

std::filesystem::path golden_folder();
json::object read_golden(const std::string& name);
std::vector<GoldenRow> golden_rows(const json::object& golden);
std::vector<std::int32_t> golden_ids(const json::object& golden, const char* key);
TinyModel make_tiny_model(const std::string& golden_name);

// model.safetensors as transformers would save it (f32 or bf16).
std::string safetensors_bytes(const TinyModel& model);
// A GGUF file as the converters of llama.cpp would write it: names, transposed Conv1D, permuted q
// and k of llama, metadata, rope_freqs.
std::string gguf_bytes(const TinyModel& model);

}  // namespace millrace::models
