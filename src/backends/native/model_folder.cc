#include "backends/native/model_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <system_error>

#include "backends/native/gguf_text.h"
#include "base/file.h"
#include "weights/gguf_split.h"

namespace millrace::backends {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxTokenizerBytes = std::size_t{128} << 20;
constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;

bool is_file(const fs::path& path) {
  std::error_code ec;
  return fs::is_regular_file(path, ec);
}

// Split models count once, by their first part.
int count_gguf_models(const fs::path& folder) {
  int count = 0;
  std::error_code ec;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().filename().string();
    if (!name.ends_with(".gguf")) continue;
    const auto split = weights::parse_split_name(name);
    if (!split || split->index == 0) ++count;
  }
  return count;
}

bool has_safetensors(const fs::path& folder) {
  return is_file(folder / "model.safetensors") || is_file(folder / "model.safetensors.index.json");
}

// Reads folder/name into `out`; an absent file is no error.
Status read_optional(const fs::path& folder, const char* name, std::size_t max_bytes,
                     std::string& out) {
  if (!is_file(folder / name)) return {};
  Result<std::string> text = read_file(folder / name, max_bytes);
  if (!text) {
    text.error().message = fmt::format("{}: {}", name, text.error().message);
    return pass(text);
  }
  out = *std::move(text);
  return {};
}

Status read_object(const fs::path& folder, const char* name, json::object& out) {
  std::string text;
  if (Status read = read_optional(folder, name, kMaxConfigBytes, text); !read) return read;
  if (text.empty()) return {};
  Result<json::value> value = parse_json(text, {.max_bytes = kMaxConfigBytes});
  if (!value) {
    return invalid(fmt::format("{}: {}", name, value.error().message), name, "invalid_model");
  }
  if (!value->is_object()) {
    return invalid(fmt::format("{} is not a JSON object", name), name, "invalid_model");
  }
  out = std::move(value->get_object());
  return {};
}

Status read_hf_folder(const fs::path& folder, ModelFolder& out) {
  if (Status read = read_object(folder, "config.json", out.config); !read) return read;
  if (out.config.empty()) {
    return invalid("config.json is missing or empty", "config.json", "invalid_model");
  }
  struct Wanted {
    const char* name;
    std::size_t max_bytes;
    std::string& text;
  };
  const Wanted files[] = {
      {"tokenizer.json", kMaxTokenizerBytes, out.text.tokenizer_json},
      {"vocab.json", kMaxTokenizerBytes, out.text.vocab_json},
      {"merges.txt", kMaxTokenizerBytes, out.text.merges_txt},
      {"tokenizer_config.json", kMaxConfigBytes, out.text.tokenizer_config_json},
  };
  for (const Wanted& file : files) {
    if (Status read = read_optional(folder, file.name, file.max_bytes, file.text); !read) {
      return read;
    }
  }
  return {};
}

std::optional<double> number(const json::object& object, const char* key, double low, double high) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_number()) return std::nullopt;
  const auto x = value->to_number<double>();
  return std::isfinite(x) && x >= low && x <= high ? std::optional(x) : std::nullopt;
}

}  // namespace

bool is_model_path(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) {
    if (is_file(path / "config.json") && has_safetensors(path)) return true;
    return count_gguf_models(path) == 1;
  }
  if (!is_file(path)) return false;
  const std::string name = path.filename().string();
  if (name.ends_with(".safetensors")) return is_file(path.parent_path() / "config.json");
  const auto split = weights::parse_split_name(name);
  return name.ends_with(".gguf") && (!split || split->index == 0);
}

Result<ModelFolder> open_model_folder(const fs::path& path) {
  std::error_code ec;
  const bool is_folder = fs::is_directory(path, ec);
  const fs::path folder = is_folder ? path : path.parent_path();
  ModelFolder out;
  auto weights = weights::open_weights(path);
  if (!weights) return pass(weights);
  out.weights = *std::move(weights);
  out.gguf = is_folder ? !has_safetensors(path) : path.extension() == ".gguf";

  if (out.gguf) {
    read_gguf_text(*out.weights, out.text);
  } else if (Status read = read_hf_folder(folder, out); !read) {
    return pass(read);
  }
  if (is_folder || !out.gguf) {  // a lone GGUF file may lie among others' files
    if (Status read =
            read_optional(folder, "chat_template.jinja", kMaxTemplateBytes, out.text.chat_template);
        !read) {
      return pass(read);
    }
    if (Status read = read_object(folder, "generation_config.json", out.generation_config); !read) {
      return pass(read);
    }
  }
  return out;
}

std::vector<TokenId> extra_eos_ids(const ModelFolder& folder) {
  std::vector<TokenId> ids = gguf_end_of_turn_ids(folder.text);
  const auto add = [&](const json::value& value) {
    constexpr std::int64_t kMax = 1 << 30;
    if (value.is_int64() && value.get_int64() >= 0 && value.get_int64() < kMax) {
      ids.push_back(static_cast<TokenId>(value.get_int64()));
    }
  };
  if (const json::value* eos = folder.generation_config.if_contains("eos_token_id")) {
    add(*eos);
    if (eos->is_array()) {
      for (const json::value& id : eos->get_array()) add(id);
    }
  }
  return ids;
}

SamplingParams default_sampling(const json::object& generation_config) {
  SamplingParams sampling;
  const auto take = [&](const char* key, double low, double high, float& field) {
    if (const auto x = number(generation_config, key, low, high)) field = static_cast<float>(*x);
  };
  take("temperature", 0, 2, sampling.temperature);
  take("top_p", 1e-6, 1, sampling.top_p);
  take("min_p", 0, 1, sampling.min_p);
  take("repetition_penalty", 1e-2, 10, sampling.repetition_penalty);
  if (const auto k = number(generation_config, "top_k", 0, 1 << 24)) {
    sampling.top_k = static_cast<int>(*k);
  }
  return sampling;
}

std::string dominant_weight_type(const weights::WeightFile& weights) {
  std::map<DType, std::int64_t> elements;
  for (const std::string& name : weights.names()) {
    const TensorView* tensor = weights.find(name);
    if (tensor) elements[tensor->dtype] += tensor->shape.num_elements();
  }
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  return most == elements.end() ? "none" : dtype_name(most->first);
}

}  // namespace millrace::backends
