#include "backends/sim/sim_backend.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <system_error>

#include "backends/sim/sim_text.h"
#include "engine/engine.h"
#include "engine/sim_runner.h"

namespace millrace::backends {

namespace {

struct Settings {
  std::map<std::string, double> values = {
      {"step_ms", 10},      {"token_us", 0},           {"attended_ns", 0},
      {"sequence_us", 0},   {"max_batch", 32},         {"max_batched_tokens", 512},
      {"blocks", 4096},     {"block_tokens", 16},      {"max_len", 8192},
      {"poison_token", -1}, {"mean_output_tokens", 0}, {"crash_token", -1}};
  double number(const char* key) const { return values.at(key); }
  int integer(const char* key) const { return static_cast<int>(number(key)); }
};

Result<Settings> read_settings(const ModelSpec& spec) {
  Settings settings;
  for (const auto& [key, text] : spec.sim) {
    const auto known = settings.values.find(key);
    if (known == settings.values.end())
      return invalid(fmt::format("model {}: unknown sim setting \"{}\"", spec.name, key), key);
    const double lowest = known->second == -1 ? -1 : 0;  // -1: no such token
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), known->second);
    if (error != std::errc() || end != text.data() + text.size() ||
        !(known->second >= lowest && known->second <= 1e9))
      return invalid(fmt::format("model {}: sim setting {} is not a number in [{}, 1e9]", spec.name,
                                 key, lowest),
                     key);
  }
  for (const char* key : {"max_batch", "max_batched_tokens", "blocks", "block_tokens", "max_len"})
    if (settings.number(key) < 1)
      return invalid(fmt::format("model {}: sim setting {} must be at least 1", spec.name, key),
                     key);
  if (settings.number("blocks") * settings.number("block_tokens") > 1e8)
    return invalid(fmt::format("model {}: sim blocks hold more than 1e8 tokens", spec.name),
                   "blocks");
  return settings;
}

engine::EngineConfig engine_config(const ModelSpec& spec, const Settings& settings) {
  engine::EngineConfig config;
  config.model_name = spec.name;
  config.revision = "sim";
  config.vocab_size = kSimVocabSize;
  config.eos_token_ids = {kSimEndOfText};
  config.max_model_len = spec.max_model_len > 0 ? spec.max_model_len : settings.integer("max_len");
  config.max_num_seqs = spec.max_num_seqs > 0 ? spec.max_num_seqs : settings.integer("max_batch");
  config.max_num_batched_tokens = spec.max_num_batched_tokens > 0
                                      ? spec.max_num_batched_tokens
                                      : settings.integer("max_batched_tokens");
  config.max_num_queued = spec.max_num_queued;
  config.block_tokens = settings.integer("block_tokens");
  config.num_blocks = settings.integer("blocks");
  config.enable_prefix_caching = spec.enable_prefix_caching;
  config.complete();
  return config;
}

engine::SimConfig sim_config(const Settings& settings) {
  return {.cost = {.step_seconds = settings.number("step_ms") * 1e-3,
                   .seconds_per_new_token = settings.number("token_us") * 1e-6,
                   .seconds_per_attended_token = settings.number("attended_ns") * 1e-9,
                   .seconds_per_sequence = settings.number("sequence_us") * 1e-6},
          .alphabet = sim_alphabet(),
          .mean_output_tokens = settings.number("mean_output_tokens"),
          .poison_token = settings.integer("poison_token"),
          .crash_token = settings.integer("crash_token")};
}

ModelDescription describe_model(const engine::EngineConfig& config) {
  ModelDescription description;
  description.name = config.model_name;
  description.backend = "sim";
  description.family = "sim";
  description.weights = "none";
  description.kernels = "none";
  description.kv_block_tokens = config.block_tokens;
  description.kv_cache_bytes = std::int64_t{config.num_blocks} * config.block_tokens * 8;
  description.max_model_len = config.max_model_len;
  description.max_num_seqs = config.max_num_seqs;
  description.vocab_size = config.vocab_size;
  description.eos_token_ids = config.eos_token_ids;
  return description;
}

class SimModel final : public Servable {
 public:
  SimModel(const engine::EngineConfig& config, const engine::SimConfig& sim, Metrics& metrics)
      : description_(describe_model(config)),
        text_(sim_text_assets()),
        engine_(config, std::make_unique<engine::SimRunner>(sim, config), metrics) {}
  const ModelDescription& describe() const override { return description_; }
  const TextAssets& text_assets() const override { return text_; }
  Generator* generator() override { return &engine_; }

 private:
  const ModelDescription description_;
  const TextAssets text_;
  engine::Engine engine_;
};

}  // namespace

bool SimBackend::recognises(const ModelSpec& spec) const {
  std::error_code ignored;
  return !spec.sim.empty() || std::filesystem::is_regular_file(spec.path / "sim.model", ignored);
}

Result<std::unique_ptr<Servable>> SimBackend::load(const ModelSpec& spec, LoadContext& context) {
  Result<Settings> settings = read_settings(spec);
  if (!settings) return pass(settings);
  if (context.progress) context.progress(1.0, "ready");
  return std::make_unique<SimModel>(engine_config(spec, *settings), sim_config(*settings),
                                    context.metrics);
}

}  // namespace millrace::backends
