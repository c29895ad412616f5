// For tests: tiny random models, rebuilt from the goldens that tools/goldens/model_goldens.py wrote
// with transformers. Weights are a hash of tensor name and index, so no weights are stored.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "tensor/dtype.h"

namespace millrace::models {

struct TinyTensor {
  std::string name;  // as in the Hugging Face checkpoint
  std::vector<std::int64_t> shape;
  std::vector<float> values;  // already rounded to bf16 where the model is bf16
  DType type = DType::f32;    // a block format: `blocks` holds the tensor, values is empty
  std::string blocks = {};
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
  double bf16_error = 0;  // of transformers' bf16 run against its float32 run, on these rows
};

inline float rounded_to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
  return std::bit_cast<float>(rounded & 0xffff0000u);
}

inline std::uint16_t bf16_bits(float x) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16);
}

inline std::size_t num_elements(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t dim : shape) count *= static_cast<std::size_t>(dim);
  return count;
}

// FNV-1a of the text seeds SplitMix64.
inline std::vector<std::uint64_t> hashed_bits(std::string_view seed_text, std::size_t count) {
  std::uint64_t seed = 0xcbf29ce484222325u;
  for (const char c : seed_text) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  std::vector<std::uint64_t> values(count);
  for (std::uint64_t& value : values) {
    std::uint64_t x = seed += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    value = x ^ (x >> 31);
  }
  return values;
}

// [-1, 1), 24 bits a value.
inline std::vector<double> hashed_values(std::string_view seed_text, std::size_t count) {
  std::vector<double> values;
  for (const std::uint64_t x : hashed_bits(seed_text, count)) {
    values.push_back(static_cast<double>(x >> 40) / 8388608.0 - 1.0);
  }
  return values;
}

// Blocks of random bytes whose f16 fields keep their mantissa and get a sane sign and exponent.
inline std::string hashed_blocks(std::string_view seed_text, DType type, std::size_t elements) {
  struct Field {
    DType type;
    std::size_t offset;
    unsigned base;
  };
  constexpr Field kFields[] = {
      {DType::q4_0, 0, 0x2000}, {DType::q4_1, 0, 0x2000}, {DType::q4_1, 2, 0xac00},
      {DType::q5_0, 0, 0x1c00}, {DType::q5_1, 0, 0x1c00}, {DType::q5_1, 2, 0xac00},
      {DType::q8_0, 0, 0x1400}, {DType::q4_k, 0, 0x0c00}, {DType::q4_k, 2, 0x1800},
      {DType::q5_k, 0, 0x0800}, {DType::q5_k, 2, 0x1800}, {DType::q6_k, 208, 0x0400}};
  const std::size_t size = dtype_block_bytes(type);
  std::string bytes;
  for (const std::uint64_t x : hashed_bits(seed_text, elements / dtype_block_elements(type) * size))
    bytes.push_back(static_cast<char>(x >> 56));
  for (std::size_t block = 0; block < bytes.size(); block += size) {
    for (const Field& field : kFields) {
      if (field.type != type) continue;
      char& high = bytes[block + field.offset + 1];
      high = static_cast<char>((static_cast<unsigned char>(high) & 3) | field.base >> 8);
    }
  }
  return bytes;
}

inline DType block_type(std::string_view name) {
  for (const DType type : {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0,
                           DType::q4_k, DType::q5_k, DType::q6_k}) {
    if (name == dtype_name(type)) return type;
  }
  return DType::f32;
}

inline std::filesystem::path golden_folder() {
  return std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests" / "goldens" / "models";
}

inline json::object read_golden(const std::string& name) {
  std::ifstream file(golden_folder() / (name + ".json"));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Result<json::value> value = parse_json(text);
  MILLRACE_CHECK(value.has_value());
  return value->as_object();
}

inline std::vector<std::int32_t> golden_ids(const json::object& golden, const char* key) {
  std::vector<std::int32_t> ids;
  for (const json::value& id : golden.at(key).as_array()) ids.push_back(id.to_number<int>());
  return ids;
}

inline std::vector<GoldenRow> golden_rows(const json::object& golden) {
  std::vector<GoldenRow> rows;
  for (const json::value& value : golden.at("rows").as_array()) {
    const json::object& object = value.as_object();
    GoldenRow& row = rows.emplace_back();
    row.position = object.at("position").to_number<int>();
    row.ids = golden_ids(object, "ids");
    for (const json::value& x : object.at("log_probs").as_array()) {
      row.log_probs.push_back(x.to_number<double>());
    }
  }
  return rows;
}

inline TinyModel make_tiny_model(const std::string& golden_name) {
  const json::object golden = read_golden(golden_name);
  TinyModel model;
  model.name = golden_name;
  model.config = golden.at("config").as_object();
  const json::value* dtype = model.config.if_contains("torch_dtype");
  model.bf16 = dtype && dtype->as_string() == "bfloat16";
  const std::string salt(golden.at("salt").as_string());
  for (const json::value& entry : golden.at("tensors").as_array()) {
    TinyTensor& tensor = model.tensors.emplace_back();
    tensor.name = std::string(entry.at(0).as_string());
    for (const json::value& dim : entry.at(1).as_array()) {
      tensor.shape.push_back(dim.to_number<std::int64_t>());
    }
    if (entry.at(2).is_string()) {
      tensor.type = block_type(entry.at(2).as_string());
      tensor.blocks =
          hashed_blocks(salt + "/" + tensor.name, tensor.type, num_elements(tensor.shape));
      continue;
    }
    const auto scale = entry.at(2).to_number<double>();
    const auto offset = entry.at(3).to_number<double>();
    for (const double u : hashed_values(salt + "/" + tensor.name, num_elements(tensor.shape))) {
      const auto value = static_cast<float>(offset + scale * u);
      tensor.values.push_back(model.bf16 ? rounded_to_bf16(value) : value);
    }
  }
  model.prompt = golden_ids(golden, "prompt");
  model.rows = golden_rows(golden);
  model.greedy = golden_ids(golden, "greedy");
  model.bf16_error = golden.at("bf16_error").to_number<double>();
  return model;
}

// model.safetensors as transformers would save it (f32 or bf16).
inline std::string safetensors_bytes(const TinyModel& model) {
  json::object header;
  std::string data;
  for (const TinyTensor& tensor : model.tensors) {
    const std::size_t begin = data.size();
    for (const float value : tensor.values) {
      char bytes[4];
      const std::uint16_t brain = bf16_bits(value);
      std::memcpy(bytes, &value, 4);
      if (model.bf16) std::memcpy(bytes, &brain, 2);
      data.append(bytes, model.bf16 ? 2 : 4);
    }
    json::array shape;
    for (const std::int64_t dim : tensor.shape) shape.emplace_back(dim);
    header[tensor.name] = {{"dtype", model.bf16 ? "BF16" : "F32"},
                           {"shape", shape},
                           {"data_offsets", json::array{begin, data.size()}}};
  }
  std::string text = dump_json(header);
  while (text.size() % 8 != 0) text += ' ';
  const std::uint64_t size = text.size();
  std::string out(reinterpret_cast<const char*>(&size), sizeof size);
  return out + text + data;
}

// A GGUF file as the converters of llama.cpp would write it: names, transposed Conv1D, permuted q
// and k of llama, metadata, rope_freqs (tiny_gguf_test.cc).
std::string gguf_bytes(const TinyModel& model);

}  // namespace millrace::models
