#include "serving/model_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/settings.h"
#include "serving/model_tables.h"

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 10;
constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
constexpr std::int64_t kDayMicroseconds = 86'400'000'000;

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

// Values between the file's types and the structs'; written back once all were read.
struct Values {
  explicit Values(const FoundModel& model)
      : max_queue_size(model.graph.batch.queue.max_size),
        default_timeout(model.graph.batch.queue.default_timeout.count()),
        timeout_action(model.graph.batch.queue.late_is_delayed ? "delay" : "reject"),
        priority_levels(model.graph.batch.priority_levels),
        default_priority(model.graph.batch.default_priority),
        max_idle(model.graph.sequence.max_idle.count()),
        max_sequences(model.graph.sequence.max_sequences) {
    if (model.graph.batch.max_delay) max_delay = model.graph.batch.max_delay->count();
  }

  void declare(Settings& settings, FoundModel& model) {
    settings.numbers("preferred-batch-sizes", preferred, 1, 64, "");
    settings.integer("max-queue-delay-us", max_delay, 0, kDayMicroseconds, "");
    settings.integer("max-queue-size", max_queue_size, 0, kMaxInt, "");
    settings.integer("default-timeout-us", default_timeout, 0, kDayMicroseconds, "");
    settings.choice("timeout-action", timeout_action, {"reject", "delay"}, "");
    settings.integer("priority-levels", priority_levels, 0, kMaxInt, "");
    settings.integer("default-priority-level", default_priority, 0, kMaxInt, "");
    settings.flag("sequences", model.graph.sequence.enabled, "");
    settings.integer("max-sequence-idle-us", max_idle, 1, kDayMicroseconds, "");
    settings.integer("max-sequences", max_sequences, 1, 1 << 20, "");
    settings.text("version-policy", version_policy, "POLICY", "");
    settings.text("device", model.spec.device, "NAME", "");
    settings.choice("performance-hint", model.spec.performance_hint,
                    {"auto", "latency", "throughput"}, "");
    settings.choice("inference-precision", model.spec.inference_precision,
                    {"auto", "f32", "bf16", "f16"}, "");
    settings.texts("signatures", model.spec.signatures, "");
    settings.choice("batch-axis", model.spec.batch_axis, {"auto", "0", "none"}, "");
  }

  Status store(FoundModel& model) const {
    BatchSettings& batch = model.graph.batch;
    if (!preferred.empty()) {
      auto sizes = batch_sizes(preferred);
      if (!sizes) return pass(sizes);
      batch.preferred_sizes = *std::move(sizes);
    }
    if (max_delay >= 0) batch.max_delay = std::chrono::microseconds(max_delay);
    batch.queue.max_size = static_cast<int>(max_queue_size);
    batch.queue.default_timeout = std::chrono::microseconds(default_timeout);
    batch.queue.late_is_delayed = timeout_action == "delay";
    batch.priority_levels = static_cast<int>(priority_levels);
    batch.default_priority = static_cast<int>(default_priority);
    model.graph.sequence.max_idle = std::chrono::microseconds(max_idle);
    model.graph.sequence.max_sequences = static_cast<int>(max_sequences);
    if (version_policy.empty()) return {};
    auto policy = parse_version_policy(version_policy);
    if (!policy) return pass(policy);
    model.rules.policy = *std::move(policy);
    return {};
  }

  std::vector<double> preferred;
  std::string version_policy;
  std::int64_t max_delay = -1;
  std::int64_t max_queue_size, default_timeout;
  std::string timeout_action;
  std::int64_t priority_levels, default_priority, max_idle, max_sequences;
};

struct Number {
  const char* name;
  int* target;
  std::int64_t value = 0;
};

std::vector<Number> spec_numbers(ModelSpec& spec) {
  return {{"max-model-len", &spec.max_model_len},
          {"max-num-seqs", &spec.max_num_seqs},
          {"max-num-batched-tokens", &spec.max_num_batched_tokens},
          {"max-num-queued-reqs", &spec.max_num_queued},
          {"threads", &spec.num_threads},
          {"max-batch-size", &spec.max_batch_size},
          {"instances", &spec.num_instances}};
}

}  // namespace

Result<std::optional<SettingsFile>> read_settings_file(const fs::path& model_path) {
  const fs::path file = settings_file(model_path);
  std::error_code error;
  if (!fs::exists(file, error)) return std::nullopt;
  auto text = read_file(file, kMaxBytes);
  if (!text) return pass(text);
  return SettingsFile{
      .folder = file.parent_path(), .name = file.filename().string(), .text = *std::move(text)};
}

Status apply_model_settings(const SettingsFile& file, bool of_version, FoundModel& model) {
  ModelSpec& spec = model.spec;
  Settings settings;
  auto numbers = spec_numbers(spec);
  for (Number& number : numbers) {
    number.value = *number.target;
    settings.integer(number.name, number.value, 0, kMaxInt, "");
  }
  settings.bytes("kv-cache-memory", spec.kv_cache_bytes, "");
  settings.text("cpu-isa", spec.cpu_isa, "NAME", "");
  settings.choice("precision", spec.precision, {"exact", "default", "fast"}, "");
  settings.choice("quantization", spec.quantization,
                  {"none", "bf16", "int8", "int4", "int4-g32", "int4-g64", "int4-g128"}, "");
  settings.choice("kv-cache-dtype", spec.kv_cache_dtype, {"auto", "f32", "bf16", "int8"}, "");
  settings.flag("enable-prefix-caching", spec.enable_prefix_caching, "");
  Values values(model);
  values.declare(settings, model);
  std::map<std::string, std::string> sim;
  for (const char* key : kSimKeys) {
    std::string name = std::string("sim-") + key;
    std::ranges::replace(name, '_', '-');
    settings.text(name, sim[key], "X", "");
  }
  static const std::vector<std::string_view> kTables = {
      "image", "input", "output", "state", "control", "warmup", "version-labels"};
  if (auto ok = settings.apply_toml(file.text, file.name, {}, kTables); !ok) return ok;
  const auto named = [&](Status failed) {
    failed.error().message = fmt::format("{}: {}", file.name, failed.error().message);
    return failed;
  };
  if (Status stored = values.store(model); !stored) return named(std::move(stored));
  for (const Number& number : numbers) *number.target = static_cast<int>(number.value);
  for (auto& [key, value] : sim) {
    if (!value.empty()) spec.sim[key] = std::move(value);
  }
  auto image = read_image_settings(file.text, file.name, file.folder);
  if (!image) return pass(image);
  if (*image) model.image = *std::move(image);
  const VersionRules rules = model.rules;
  if (Status done = apply_model_tables(file, model); !done) return done;
  const bool says_rules = !values.version_policy.empty() || rules.labels != model.rules.labels;
  if (of_version && says_rules) {
    return named(
        invalid("version-policy and [version-labels] belong into the model.toml beside "
                "the versions, not into a version's own"));
  }
  return {};
}

}  // namespace millrace::serving
