// ModelStore: one load, and one taking down.
#include <fmt/format.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/giving_way.h"
#include "base/log.h"
#include "base/settings.h"
#include "serving/model_checks.h"
#include "serving/model_store.h"
#include "serving/model_store_entries.h"
#include "serving/warmup.h"

namespace millrace::serving {
namespace {

constexpr std::chrono::seconds kMostTimeGivingWay(60);

std::string limits_of(const ModelDescription& d) {
  if (d.max_model_len > 0) {
    return fmt::format("{} of KV cache, context {}", format_byte_size(d.kv_cache_bytes),
                       d.max_model_len);
  }
  return d.max_batch_size > 1 ? fmt::format("batches of up to {} rows", d.max_batch_size)
                              : std::string("not batched");
}

MetricLabels labels_of(const FoundModel& found) {
  return {{"model_name", found.spec.name}, {"model_version", found.version}};
}

// What the allocator keeps of a model that is gone goes back to the machine.
void give_memory_back() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

void ModelStore::set_state(Entry& entry, ModelState state) {
  entry.state = state;
  metrics_.gauge("millrace_model_ready", "1 when the model serves", labels_of(entry.found))
      .set(state == ModelState::ready ? 1 : 0);
  if (!first_loads_over_) first_loads_over_ = !loading_locked();
  changed_.notify_all();
}

void ModelStore::start_load(Entry& entry) {
  entry.loading = true;
  entry.load_again = false;
  entry.progress = 0;
  entry.stage.clear();
  set_state(entry, entry.model ? ModelState::ready : ModelState::waiting);
  const std::uint64_t version = version_number(entry.found.version);
  loader_.post([this, name = entry.found.spec.name, version] { run_load(name, version); });
}

std::int64_t ModelStore::kv_share(const FoundModel& found) const {
  if (!found.backend->uses_kv_cache()) return 0;
  if (found.spec.kv_cache_bytes > 0) return found.spec.kv_cache_bytes;
  // Models that failed have no claim, and what one was granted too little of goes to the next.
  std::int64_t weights = 0;
  int num_claims = 0;
  for (const auto& [name, group] : groups_) {
    for (const auto& [number, entry] : group.versions) {
      const bool may_come = entry.model || entry.loading ||
                            (options_.control != ModelControl::none && !entry.unwanted);
      if (!may_come || entry.state == ModelState::failed || entry.found.error) continue;
      weights += entry.found.file_bytes;
      const bool shares = entry.found.backend->uses_kv_cache() && !entry.model &&
                          entry.found.spec.kv_cache_bytes == 0;
      num_claims += shares ? 1 : 0;
    }
  }
  const std::int64_t all = budget_.kv_share(weights, 1);
  return std::max<std::int64_t>(0, all - budget_.kv_cache_bytes()) / std::max(1, num_claims);
}

void ModelStore::run_load(const std::string& name, std::uint64_t version) {
  if (stopping_) return;
  FoundModel found;
  std::uint64_t serial = 0;
  Entry* entry = nullptr;  // entries are never erased
  {
    std::lock_guard lock(mutex_);
    entry = &groups_.find(name)->second.versions.find(version)->second;
    found = entry->found;
    serial = next_serial_++;
    if (!entry->model) set_state(*entry, ModelState::loading);
    found.spec.kv_cache_bytes = kv_share(found);
  }
  for (const std::string& warning : found.warnings) log_warn("model {}: {}", name, warning);
  LoadContext context{.metrics = metrics_, .progress = [&](double done, const std::string& what) {
                        std::lock_guard lock(mutex_);
                        entry->progress = done;
                        entry->stage = what;
                      }};
  const TimePoint began = Clock::now();
  auto model = load_model(found, serial, context);
  const double seconds = seconds_between(began, Clock::now());
  if (model) {
    const ModelDescription& d = (*model)->description();
    log_info("model {} version {} ready in {:.2f} s: {} {} {} on {}, {} of weights, {}", name,
             found.version, seconds, d.backend, d.family, d.weights, d.kernels,
             format_byte_size(d.weight_bytes), limits_of(d));
    metrics_.gauge("millrace_model_load_seconds", "Time the last load took", labels_of(found))
        .set(seconds);
  } else {
    log_error("model {} version {} failed to load: {}", name, found.version, model.error().message);
    budget_.release(name, serial);
    give_memory_back();
  }
  finish_load(*entry, std::move(model));
}

void ModelStore::end_load(Entry& entry, Result<ModelHandle> model, Ended& out) {
  entry.loading = false;
  entry.parked = false;
  const Status ended = model ? Status() : std::unexpected(model.error());
  if (model) {
    if (entry.model) out.taken.push_back(std::move(entry.model));
    entry.model = *std::move(model);
    entry.error = {};
  } else {
    entry.error = std::move(model.error());
    if (entry.model) entry.stage = "ready";  // its predecessor serves on
  }
  for (const auto& waiter : std::exchange(entry.waiters, {})) {
    if (waiter->ended) waiter->ended = ended;
    if (--waiter->num_left == 0) out.told.push_back(waiter);
  }
  set_state(entry, entry.model ? ModelState::ready : ModelState::failed);
  if (std::exchange(entry.unload_after, false)) take_out(entry, out.taken);
  if (std::exchange(entry.load_again, false) && !stopping_) start_load(entry);
  retire_unwanted(groups_.find(entry.found.spec.name)->second, out.taken);
}

void ModelStore::park(Entry& entry, Error reason, Ended& out) {
  entry.parked = true;
  entry.stage = reason.message;
  entry.error = std::move(reason);
  if (!entry.model) set_state(entry, ModelState::waiting);
  std::vector<Entry*> parked;
  for (auto& [name, group] : groups_) {
    for (auto& [number, other] : group.versions) {
      if (other.loading && !other.parked) return;
      if (other.parked) parked.push_back(&other);
    }
  }
  // Who waits now waits for others that wait.
  for (Entry* waiting : parked) {
    Error error = waiting->error;
    error.kind = ErrorKind::invalid_argument;
    error.code.clear();
    error.message += ", which waits too: models cannot need each other";
    log_error("model {} failed to load: {}", waiting->found.spec.name, error.message);
    end_load(*waiting, std::unexpected(std::move(error)), out);
  }
}

void ModelStore::retry_others(bool loaded) {
  for (auto& [name, group] : groups_) {
    for (auto& [number, entry] : group.versions) {
      const bool needs = loaded && !entry.loading && !entry.unwanted &&
                         entry.state == ModelState::failed && entry.error.code == kNeedsModel;
      if ((std::exchange(entry.parked, false) || needs) && !stopping_) start_load(entry);
    }
  }
}

void ModelStore::finish_load(Entry& entry, Result<ModelHandle> model) {
  Ended out;
  std::unique_lock lock(mutex_);
  if (!model && model.error().code == kWaitsForModel && !stopping_) {
    park(entry, std::move(model.error()), out);
  } else {
    const bool loaded = model.has_value();
    end_load(entry, std::move(model), out);
    retry_others(loaded);
  }
  lock.unlock();
  out.taken.clear();
  for (const auto& waiter : out.told) {
    if (waiter->on_done) waiter->on_done(waiter->ended);
  }
}

// Whether models serve besides `own`: what loading and unloading compute then takes only what they
// leave. Nobody is served while a server starts or stops: it would wait for whatever else the
// machine does.
bool ModelStore::others_serve(int own) {
  std::lock_guard lock(mutex_);
  return first_loads_over_ && !stopping_ && num_alive_ > own;
}

Result<std::unique_ptr<Servable>> ModelStore::load_servable(const FoundModel& found,
                                                            LoadContext& context) {
  const bool beside_others = others_serve(0);
  std::optional<GivingWay> giving_way;
  if (beside_others) giving_way.emplace(kMostTimeGivingWay);
  if (beside_others && !GivingWay::is_possible()) {
    log_debug(
        "loading beside other models: without CAP_SYS_NICE or RLIMIT_NICE it has their priority");
  }
  auto servable = found.backend->load(found.spec, context);
  if (!servable) return servable;
  if (auto right = check_declarations(found.graph, (*servable)->describe()); !right) {
    return pass(right);
  }
  if (auto warm = warm_up(found.graph.warmup, **servable); !warm) return pass(warm);
  return servable;
}

Result<ModelHandle> ModelStore::load_model(const FoundModel& found, std::uint64_t serial,
                                           LoadContext& context) {
  const std::string& name = found.spec.name;
  if (found.error) return std::unexpected(*found.error);
  const auto account = [&](MemoryUse use) { return budget_.set(name, use, serial); };
  if (auto fits = account({.weight_bytes = found.file_bytes}); !fits) return pass(fits);
  // The cache gets its share, or what is left where that is less.
  FoundModel granted = found;
  granted.spec.kv_cache_bytes = std::min(
      found.spec.kv_cache_bytes, std::max<std::int64_t>(0, budget_.limit() - budget_.used()));
  if (auto fits = account(
          {.weight_bytes = found.file_bytes, .kv_cache_bytes = granted.spec.kv_cache_bytes});
      !fits) {
    return pass(fits);
  }
  auto servable = load_servable(granted, context);
  if (!servable) return pass(servable);
  const ModelDescription& d = (*servable)->describe();
  auto signatures = (*servable)->take_signatures();
  std::int64_t weight_bytes = d.weight_bytes;
  for (const auto& signature : signatures) weight_bytes += signature->describe().weight_bytes;
  if (auto fits = account({.weight_bytes = weight_bytes, .kv_cache_bytes = d.kv_cache_bytes});
      !fits) {
    return pass(fits);
  }
  std::unique_ptr<TextModel> text;
  if ((*servable)->generator()) {
    auto built = TextModel::build((*servable)->text_assets());
    if (!built) return pass(built);
    text = std::move(*built);
  }
  std::optional<ImageModel> image;
  if (found.image) {
    auto made = ImageModel::make(*found.image, d);
    if (!made) return pass(made);
    image = *std::move(made);
  }
  auto plan = plan_sequences(found.graph.sequence, d);
  if (!plan) return pass(plan);
  return pin(std::make_unique<Model>(found, std::move(*servable), std::move(text), std::move(image),
                                     metrics_, *std::move(plan), std::move(signatures)),
             serial);
}

ModelHandle ModelStore::pin(std::unique_ptr<Model> model, std::uint64_t serial) {
  {
    std::lock_guard lock(mutex_);
    ++num_alive_;
    ++entry_of(*model).num_alive;
  }
  return ModelHandle(model.release(), [this, serial](const Model* last) {
    reaper_.post([this, last, serial] { take_down(last, serial); });
  });
}

ModelStore::Entry& ModelStore::entry_of(const Model& model) {
  return groups_.find(model.name())->second.versions.find(version_number(model.version()))->second;
}

void ModelStore::take_down(const Model* model, std::uint64_t serial) {
  Entry* entry = nullptr;
  {
    std::lock_guard lock(mutex_);
    entry = &entry_of(*model);
  }
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): they outlive the model
  const std::string name = model->name(), version = model->version();
  {
    std::optional<GivingWay> giving_way;
    if (others_serve(1)) giving_way.emplace(kMostTimeGivingWay, GivingWay::SetBack::itself);
    delete model;
    budget_.release(name, serial);
    give_memory_back();
  }
  log_info("model {} version {} unloaded", name, version);
  std::lock_guard lock(mutex_);
  --num_alive_;
  --entry->num_alive;
  if (entry->state == ModelState::unloading && entry->num_alive == 0) {
    set_state(*entry, ModelState::unloaded);
    if (std::exchange(entry->load_again, false) && !stopping_) start_load(*entry);
  }
  changed_.notify_all();
}

}  // namespace millrace::serving
