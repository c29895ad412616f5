#include "serving/model_settings.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/settings.h"

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 10;
constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();

// The cost model of a simulated model, passed on as written: its backend checks the values.
constexpr const char* kSimKeys[] = {
    "step_ms",   "token_us",           "attended_ns",  "sequence_us",
    "max_batch", "max_batched_tokens", "blocks",       "block_tokens",
    "max_len",   "mean_output_tokens", "poison_token", "crash_token"};

fs::path settings_file(const fs::path& model_path) {
  std::error_code error;
  if (fs::is_directory(model_path, error)) return model_path / "model.toml";
  fs::path beside = model_path;
  return beside.replace_extension(".toml");
}

}  // namespace

Status apply_model_settings(const fs::path& model_path, ModelSpec& spec,
                            std::optional<ImageSettings>* image) {
  const fs::path file = settings_file(model_path);
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  const auto text = read_file(file, kMaxBytes);
  if (!text) return std::unexpected(text.error());

  Settings settings;
  struct Number {
    int* target;
    std::int64_t value;
  };
  Number numbers[] = {{&spec.max_model_len, spec.max_model_len},
                      {&spec.max_num_seqs, spec.max_num_seqs},
                      {&spec.max_num_batched_tokens, spec.max_num_batched_tokens},
                      {&spec.max_num_queued, spec.max_num_queued},
                      {&spec.num_threads, spec.num_threads},
                      {&spec.max_batch_size, spec.max_batch_size}};
  constexpr const char* kNames[] = {"max-model-len",       "max-num-seqs", "max-num-batched-tokens",
                                    "max-num-queued-reqs", "threads",      "max-batch-size"};
  for (std::size_t i = 0; i < std::size(numbers); ++i) {
    settings.integer(kNames[i], numbers[i].value, 0, kMaxInt, "");
  }
  settings.bytes("kv-cache-memory", spec.kv_cache_bytes, "");
  settings.text("cpu-isa", spec.cpu_isa, "NAME", "");
  settings.choice("precision", spec.precision, {"exact", "default", "fast"}, "");
  settings.choice("kv-cache-dtype", spec.kv_cache_dtype, {"auto", "f32", "bf16", "int8"}, "");
  settings.choice("quantization", spec.quantization,
                  {"none", "int8", "int4", "int4-g32", "int4-g64", "int4-g128"}, "");
  settings.flag("enable-prefix-caching", spec.enable_prefix_caching, "");
  std::map<std::string, std::string> sim;
  for (const char* key : kSimKeys) {
    std::string name = std::string("sim-") + key;
    std::ranges::replace(name, '_', '-');
    settings.text(name, sim[key], "X", "");
  }
  const std::string name = file.filename().string();
  if (auto ok = settings.apply_toml(*text, name, {}, {"image", "input", "output"}); !ok) return ok;
  auto table = read_image_settings(*text, name, file.parent_path());
  if (!table) return pass(table);
  if (image && *table) *image = *std::move(table);
  for (const Number& number : numbers) *number.target = static_cast<int>(number.value);
  for (auto& [key, value] : sim) {
    if (!value.empty()) spec.sim[key] = std::move(value);
  }
  return {};
}

}  // namespace millrace::serving
