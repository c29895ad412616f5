#include "backends/native/native_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backends/native/kv_plan.h"
#include "backends/native/model_folder.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/kv_memory.h"
#include "engine/model_runner.h"
#include "kernels/select.h"
#include "models/registry.h"

namespace millrace::backends {
namespace {

class NativeServable final : public Servable {
 public:
  NativeServable(std::shared_ptr<ComputePool> pool, ModelDescription description, TextAssets text)
      : pool_(std::move(pool)), description_(std::move(description)), text_(std::move(text)) {}

  void start(engine::EngineConfig config, std::unique_ptr<engine::StepRunner> runner,
             Metrics& metrics) {
    engine_ = std::make_unique<engine::Engine>(std::move(config), std::move(runner), metrics);
  }
  const ModelDescription& describe() const override { return description_; }
  const TextAssets& text_assets() const override { return text_; }
  Generator* generator() override { return engine_.get(); }

 private:
  std::shared_ptr<ComputePool> pool_;  // outlives the engine
  ModelDescription description_;
  TextAssets text_;
  std::unique_ptr<engine::Engine> engine_;
};

Result<Precision> read_precision(const std::string& word) {
  if (word.empty() || word == "default") return Precision::standard;
  if (word == "exact") return Precision::exact;
  if (word == "fast") return Precision::fast;
  return invalid(fmt::format("precision \"{}\": expected exact, default or fast", word),
                 "precision");
}

Result<kernels::KvKind> read_kv_kind(const std::string& word, Precision precision) {
  if (word.empty() || word == "auto") {
    return precision == Precision::exact ? kernels::KvKind::f32 : kernels::KvKind::bf16;
  }
  if (word == "f32") return kernels::KvKind::f32;
  if (word == "bf16") return kernels::KvKind::bf16;
  if (word == "int8") return kernels::KvKind::i8;
  return invalid(fmt::format("kv_cache_dtype \"{}\": expected auto, f32, bf16 or int8", word),
                 "kv_cache_dtype");
}

// What load() settles before it packs a single weight.
struct Plan {
  const kernels::Kernels* table = nullptr;
  Precision precision = Precision::standard;
  kernels::KvKind kv_kind = kernels::KvKind::bf16;
  models::Quantization quantization = models::Quantization::none;
  models::DecoderConfig model;
  engine::EngineConfig engine;
};

Status plan_memory(const ModelSpec& spec, Plan& plan) {
  const kernels::KvShape shape{.kind = plan.kv_kind,
                               .block_tokens = plan.engine.block_tokens,
                               .kv_heads = plan.model.num_kv_heads,
                               .head_dim = plan.model.head_dim};
  const std::int64_t block_bytes =
      engine::kv_bytes_per_block(*plan.table, shape, plan.model.num_layers);
  if (block_bytes <= 0) {
    return invalid(fmt::format("the {} kernels have no KV cache of type {}", plan.table->name,
                               spec.kv_cache_dtype),
                   "kv_cache_dtype");
  }
  const Result<KvPlan> kv = plan_kv({.budget_bytes = spec.kv_cache_bytes,
                                     .block_bytes = block_bytes,
                                     .block_tokens = plan.engine.block_tokens,
                                     .model_context = plan.model.max_position,
                                     .max_model_len = spec.max_model_len,
                                     .max_num_seqs = plan.engine.max_num_seqs});
  if (!kv) return std::unexpected(kv.error());
  plan.engine.max_model_len = kv->max_model_len;
  plan.engine.num_blocks = kv->num_blocks;
  if (kv->max_model_len < plan.model.max_position) {
    log_info("model {}: context of {} tokens (the model's own is {})", spec.name, kv->max_model_len,
             plan.model.max_position);
  }
  return {};
}

std::vector<TokenId> all_eos_ids(const models::DecoderConfig& model, const ModelFolder& folder) {
  std::vector<TokenId> ids = model.eos_token_ids;
  for (const TokenId id : extra_eos_ids(folder)) ids.push_back(id);
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::erase_if(ids, [&](TokenId id) { return id >= model.vocab_size; });
  return ids;
}

Result<Plan> make_plan(const ModelSpec& spec, const ModelFolder& folder) {
  Plan plan;
  const auto table = kernels::select_kernels(spec.cpu_isa.empty() ? "auto" : spec.cpu_isa);
  if (!table) return std::unexpected(table.error());
  plan.table = *table;
  const auto precision = read_precision(spec.precision);
  if (!precision) return std::unexpected(precision.error());
  plan.precision = *precision;
  const auto kv_kind = read_kv_kind(spec.kv_cache_dtype, plan.precision);
  if (!kv_kind) return std::unexpected(kv_kind.error());
  plan.kv_kind = *kv_kind;
  const auto quantization = models::quantization_from(spec.quantization);
  if (!quantization) {
    return invalid(
        fmt::format("quantization \"{}\": expected none, bf16, int8, int4, int4-g32, int4-g64 "
                    "or int4-g128",
                    spec.quantization),
        "quantization");
  }
  plan.quantization = *quantization;
  auto model = models::read_decoder_config({*folder.weights, folder.config});
  if (!model) return pass(model);
  plan.model = *std::move(model);

  engine::EngineConfig& config = plan.engine;
  config.model_name = spec.name;
  config.vocab_size = plan.model.vocab_size;
  config.eos_token_ids = all_eos_ids(plan.model, folder);
  config.enable_prefix_caching = spec.enable_prefix_caching;
  config.max_num_queued = std::max(spec.max_num_queued, 0);
  if (spec.max_num_seqs > 0) config.max_num_seqs = spec.max_num_seqs;
  if (spec.max_num_batched_tokens > 0) config.max_num_batched_tokens = spec.max_num_batched_tokens;
  config.complete();
  if (Status memory = plan_memory(spec, plan); !memory) return pass(memory);
  return plan;
}

ModelDescription describe(const ModelSpec& spec, const Plan& plan, const ModelFolder& folder,
                          const engine::ModelRunner& runner) {
  ModelDescription out;
  out.name = spec.name;
  out.backend = "native";
  out.family = plan.model.family;
  out.weights = plan.quantization == models::Quantization::none
                    ? dominant_weight_type(*folder.weights)
                    : spec.quantization;
  out.kernels = plan.table->name;
  out.num_parameters = runner.model().num_parameters();
  out.weight_bytes = runner.model().weight_bytes();
  out.kv_cache_bytes = runner.kv_bytes();
  out.kv_block_tokens = plan.engine.block_tokens;
  out.max_model_len = plan.engine.max_model_len;
  out.max_num_seqs = plan.engine.max_num_seqs;
  out.vocab_size = plan.model.vocab_size;
  out.eos_token_ids = plan.engine.eos_token_ids;
  out.default_sampling = default_sampling(folder.generation_config);
  return out;
}

}  // namespace

NativeBackend::NativeBackend() = default;
NativeBackend::~NativeBackend() = default;

bool NativeBackend::recognises(const ModelSpec& spec) const {
  return is_model_path(spec.path);
}

std::shared_ptr<ComputePool> NativeBackend::pool_of(int num_threads) {
  std::lock_guard lock(mutex_);
  std::weak_ptr<ComputePool>& known = pools_[num_threads];
  std::shared_ptr<ComputePool> pool = known.lock();
  if (!pool) {
    pool = std::make_shared<ComputePool>(num_threads);
    known = pool;
  }
  return pool;
}

Result<std::unique_ptr<Servable>> NativeBackend::load(const ModelSpec& spec, LoadContext& context) {
  const auto progress = [&](double done, const char* what) {
    if (context.progress) context.progress(done, what);
  };
  progress(0, "opening files");
  Result<ModelFolder> folder = open_model_folder(spec.path);
  if (!folder) return pass(folder);
  Result<Plan> plan = make_plan(spec, *folder);
  if (!plan) return pass(plan);

  const std::shared_ptr<ComputePool> pool = pool_of(std::max(spec.num_threads, 0));
  Exec exec(*pool, plan->precision);
  kernels::Ops ops{*plan->table, exec};
  auto model = models::build_causal_model(
      {*folder->weights, folder->config}, ops,
      {.max_position = plan->engine.max_model_len,
       .quantization = plan->quantization,
       .progress = [&](double done) { progress(0.95 * done, "packing weights"); }});
  if (!model) return pass(model);

  progress(0.95, "reserving memory");
  plan->engine.revision =
      fmt::format("{}-{}-{}-{}", plan->model.family, folder->weights->num_bytes(),
                  dominant_weight_type(*folder->weights), spec.quantization);
  auto runner = std::make_unique<engine::ModelRunner>(*std::move(model), *plan->table, *pool,
                                                      plan->precision, plan->kv_kind, plan->engine);
  auto servable = std::make_unique<NativeServable>(pool, describe(spec, *plan, *folder, *runner),
                                                   std::move(folder->text));
  servable->start(std::move(plan->engine), std::move(runner), context.metrics);
  progress(1, "ready");
  return servable;
}

}  // namespace millrace::backends
