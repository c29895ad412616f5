#include "serving/model_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"

namespace millrace::serving {
namespace {

constexpr std::chrono::seconds kUnloadPatience{10};
constexpr int kDefaultMaxQueued = 256;  // requests to one graph model

// FNV-1a: a short stable name for a build of a model, no security in it.
std::string short_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:012x}", hash >> 16);
}

std::string limits_of(const ModelDescription& d) {
  if (d.max_model_len > 0) {
    return fmt::format("{} of KV cache, context {}", format_byte_size(d.kv_cache_bytes),
                       d.max_model_len);
  }
  return d.max_batch_size > 1 ? fmt::format("batches of up to {} rows", d.max_batch_size)
                              : std::string("not batched");
}

}  // namespace

Model::Model(FoundModel found, std::unique_ptr<Servable> servable, std::unique_ptr<TextModel> text,
             std::optional<ImageModel> image, Metrics& metrics)
    : name_(std::move(found.spec.name)),
      version_(std::move(found.version)),
      created_(unix_seconds()),
      servable_(std::move(servable)),
      text_(std::move(text)),
      image_(std::move(image)) {
  const ModelDescription& d = servable_->describe();
  fingerprint_ = "fp_" + short_hash(fmt::format("{}/{}/{}/{}/{}/{}/{}", name_, version_, d.backend,
                                                d.family, d.weights, d.kernels, d.num_parameters));
  if (TensorModel* tensors = servable_->tensor_model()) {
    const int max_rows = std::max(1, d.max_batch_size);
    const int max_queued = found.spec.max_num_queued;
    stats_ = std::make_unique<TensorStats>(metrics, name_);
    batcher_ = std::make_unique<Batcher>(
        *tensors, d, *stats_,
        BatcherOptions{.limits = {.max_rows = max_rows},
                       .max_queued = max_queued > 0 ? max_queued : kDefaultMaxQueued});
  }
}

const char* to_string(ModelState state) {
  switch (state) {
    case ModelState::waiting:
      return "waiting";
    case ModelState::loading:
      return "loading";
    case ModelState::ready:
      return "ready";
    case ModelState::failed:
      return "failed";
    case ModelState::unloading:
      return "unloading";
    case ModelState::unloaded:
      return "unloaded";
  }
  return "unknown";
}

struct ModelStore::Entry {
  FoundModel found;
  ModelState state = ModelState::waiting;
  double progress = 0;
  std::string stage;
  Error error;
  ModelHandle model;
  bool load_again = false;  // once it is unloaded
  bool parked = false;      // waiting, and not to be tried before another load has ended
  std::vector<LoadDone> on_loaded{};
};

ModelStore::ModelStore(ModelStoreOptions options, std::vector<Backend*> backends, Metrics& metrics)
    : options_(std::move(options)),
      backends_(std::move(backends)),
      metrics_(metrics),
      budget_(options_.memory, metrics),
      reaper_("reaper", 1),
      loader_("loader", 1) {}

ModelStore::~ModelStore() {
  stopping_ = true;
  loader_.wait_idle();  // a load that ends later would bring a model that nobody takes down
  std::vector<ModelHandle> taken;  // let go outside the lock
  std::unique_lock lock(mutex_);
  for (auto& [name, entry] : entries_) taken.push_back(std::move(entry.model));
  lock.unlock();
  taken.clear();
  lock.lock();
  if (!changed_.wait_for(lock, kUnloadPatience, [&] { return num_alive_ == 0; })) {
    log_error("{} models are still in use after {} s", num_alive_, kUnloadPatience.count());
  }
}

Status ModelStore::open() {
  auto found = scan_models(options_.path, backends_, options_.defaults);
  if (!found) return pass(found);
  if (found->empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("no model in '{}': each model is a sub-folder or a file",
                            options_.path.string()));
  }
  std::lock_guard lock(mutex_);
  std::int64_t weights = 0;
  for (const FoundModel& model : *found) weights += model.file_bytes;
  const auto num_caches = std::ranges::count_if(
      *found, [](const FoundModel& model) { return model.backend->uses_kv_cache(); });
  const std::int64_t kv_share =
      num_caches > 0 ? budget_.kv_share(weights, static_cast<int>(num_caches)) : 0;
  for (FoundModel& model : *found) {
    if (!model.backend->uses_kv_cache())
      model.spec.kv_cache_bytes = 0;
    else if (model.spec.kv_cache_bytes == 0)
      model.spec.kv_cache_bytes = kv_share;
    Entry& entry = entries_[model.spec.name];
    entry.found = std::move(model);
    start_load(entry);
  }
  return {};
}

bool ModelStore::loading_locked() const {
  return std::ranges::any_of(entries_, [](const auto& named) {
    return named.second.state == ModelState::waiting || named.second.state == ModelState::loading;
  });
}

bool ModelStore::wait_until_loaded(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return !loading_locked(); });
}

void ModelStore::set_state(Entry& entry, ModelState state) {
  entry.state = state;
  metrics_
      .gauge("millrace_model_ready", "1 when the model serves",
             {{"model_name", entry.found.spec.name}})
      .set(state == ModelState::ready ? 1 : 0);
  changed_.notify_all();
}

void ModelStore::start_load(Entry& entry) {
  set_state(entry, ModelState::waiting);
  entry.parked = false;
  entry.progress = 0;
  entry.stage.clear();
  loader_.post([this, name = entry.found.spec.name] { run_load(name); });
}

void ModelStore::run_load(const std::string& name) {
  if (stopping_) return;
  FoundModel found;
  {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_.find(name)->second;  // entries are never erased
    found = entry.found;
    set_state(entry, ModelState::loading);
  }
  LoadContext context{.metrics = metrics_, .progress = [&](double done, const std::string& what) {
                        std::lock_guard lock(mutex_);
                        Entry& entry = entries_.find(name)->second;
                        entry.progress = done;
                        entry.stage = what;
                      }};
  const TimePoint began = Clock::now();
  auto model = load_model(found, context);
  const double seconds = seconds_between(began, Clock::now());
  if (model) {
    const ModelDescription& d = (*model)->description();
    log_info("model {} ready in {:.2f} s: {} {} {} on {}, {} of weights, {}", name, seconds,
             d.backend, d.family, d.weights, d.kernels, format_byte_size(d.weight_bytes),
             limits_of(d));
    metrics_.gauge("millrace_model_load_seconds", "Time the last load took", {{"model_name", name}})
        .set(seconds);
  } else {
    budget_.release(name);
    if (model.error().code == kWaitsForModel) return park(name, std::move(model.error()));
    log_error("model {} failed to load: {}", name, model.error().message);
  }
  std::unique_lock lock(mutex_);
  Entry& entry = entries_.find(name)->second;
  Status ended;
  if (model) {
    entry.model = std::move(*model);
  } else {
    ended = std::unexpected(model.error());
    entry.error = std::move(model.error());
  }
  set_state(entry, entry.model ? ModelState::ready : ModelState::failed);
  const auto told = std::exchange(entry.on_loaded, {});
  for (auto& [other, waiting] : entries_) {
    const bool may_now = waiting.parked || (entry.model && waiting.state == ModelState::failed &&
                                            waiting.error.code == kNeedsModel);
    if (may_now) start_load(waiting);
  }
  lock.unlock();
  for (const LoadDone& on_done : told) on_done(ended);
}

void ModelStore::park(const std::string& name, Error reason) {
  std::unique_lock lock(mutex_);
  Entry& entry = entries_.find(name)->second;
  set_state(entry, ModelState::waiting);
  entry.progress = 0;
  entry.stage = reason.message;
  entry.error = std::move(reason);
  entry.parked = true;
  const bool others_load = std::ranges::any_of(entries_, [](const auto& named) {
    const Entry& other = named.second;
    return other.state == ModelState::loading ||
           (other.state == ModelState::waiting && !other.parked);
  });
  if (others_load) return;
  // Who waits now waits for others that wait.
  std::vector<std::pair<LoadDone, Error>> told;
  for (auto& [other, waiting] : entries_) {
    if (!std::exchange(waiting.parked, false)) continue;
    waiting.error.message += ", which waits too: models cannot need each other";
    waiting.error.code.clear();
    waiting.error.kind = ErrorKind::invalid_argument;
    log_error("model {} failed to load: {}", other, waiting.error.message);
    set_state(waiting, ModelState::failed);
    for (LoadDone& done : std::exchange(waiting.on_loaded, {})) {
      told.emplace_back(std::move(done), waiting.error);
    }
  }
  lock.unlock();
  for (const auto& [on_done, error] : told) on_done(std::unexpected(error));
}

Result<ModelHandle> ModelStore::load_model(const FoundModel& found, LoadContext& context) {
  const std::string& name = found.spec.name;
  if (found.error) return std::unexpected(*found.error);
  if (auto fits = budget_.set(name, {.weight_bytes = found.file_bytes}); !fits) return pass(fits);
  // The cache gets its share, or what is left where that is less.
  FoundModel granted = found;
  granted.spec.kv_cache_bytes = std::min(
      found.spec.kv_cache_bytes, std::max<std::int64_t>(0, budget_.limit() - budget_.used()));
  if (auto fits = budget_.set(
          name, {.weight_bytes = found.file_bytes, .kv_cache_bytes = granted.spec.kv_cache_bytes});
      !fits) {
    return pass(fits);
  }
  auto servable = found.backend->load(granted.spec, context);
  if (!servable) return pass(servable);
  const ModelDescription& d = (*servable)->describe();
  if (auto fits =
          budget_.set(name, {.weight_bytes = d.weight_bytes, .kv_cache_bytes = d.kv_cache_bytes});
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
  return pin(std::make_unique<Model>(found, std::move(*servable), std::move(text), std::move(image),
                                     metrics_));
}

ModelHandle ModelStore::pin(std::unique_ptr<Model> model) {
  {
    std::lock_guard lock(mutex_);
    ++num_alive_;
  }
  return ModelHandle(model.release(), [this](const Model* last) {
    reaper_.post([this, last] { take_down(last); });
  });
}

void ModelStore::take_down(const Model* model) {
  const std::string name = model->name();
  delete model;
  budget_.release(name);
  log_info("model {} unloaded", name);
  std::lock_guard lock(mutex_);
  --num_alive_;
  Entry& entry = entries_.find(name)->second;
  if (entry.state == ModelState::unloading) {
    set_state(entry, ModelState::unloaded);
    if (std::exchange(entry.load_again, false) && !stopping_) start_load(entry);
  }
  changed_.notify_all();
}

Result<ModelHandle> ModelStore::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(name);
  if (found == entries_.end() && name.size() <= 256) found = entries_.find(model_name_of(name));
  if (found == entries_.end()) {
    return fail(ErrorKind::not_found, "The model does not exist.", "model", "model_not_found");
  }
  const Entry& entry = found->second;
  if (entry.model) return entry.model;
  if (entry.state == ModelState::failed) {
    return fail(ErrorKind::unavailable, "The model failed to load.", "model", "model_failed");
  }
  if (entry.state == ModelState::unloading || entry.state == ModelState::unloaded) {
    return fail(ErrorKind::unavailable, "The model is unloaded.", "model", "model_unloaded");
  }
  Error loading{.kind = ErrorKind::unavailable,
                .message = "The model is loading.",
                .param = "model",
                .code = "model_loading"};
  loading.retry_after_ms = 1000;
  return std::unexpected(std::move(loading));
}

std::vector<ModelStatus> ModelStore::list() const {
  std::lock_guard lock(mutex_);
  std::vector<ModelStatus> all;
  for (const auto& [name, entry] : entries_) {
    all.push_back({.name = name,
                   .version = entry.found.version,
                   .backend = entry.found.backend->name(),
                   .state = entry.state,
                   .progress = entry.progress,
                   .stage = entry.stage,
                   .error = entry.error,
                   .model = entry.model,
                   .takes_tensors = !entry.found.backend->uses_kv_cache()});
  }
  return all;
}

bool ModelStore::ready() const {
  std::lock_guard lock(mutex_);
  return !loading_locked() && std::ranges::any_of(entries_, [](const auto& named) {
    return named.second.state == ModelState::ready;
  });
}

Status ModelStore::unload(std::string_view name) {
  ModelHandle taken;  // declared before the lock: let go after it
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end() || !found->second.model) {
    return fail(ErrorKind::not_found, "No such model is loaded.", "model", "model_not_found");
  }
  Entry& entry = found->second;
  taken = std::move(entry.model);
  entry.model.reset();
  set_state(entry, ModelState::unloading);
  return {};
}

Status ModelStore::load(std::string_view name, LoadDone on_done) {
  std::unique_lock lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return fail(ErrorKind::not_found, "No such model.", "model", "model_not_found");
  }
  Entry& entry = found->second;
  if (entry.model) {
    lock.unlock();
    if (on_done) on_done({});
    return {};
  }
  if (on_done) entry.on_loaded.push_back(std::move(on_done));
  if (entry.state == ModelState::unloading) entry.load_again = true;
  if (entry.state == ModelState::failed || entry.state == ModelState::unloaded) start_load(entry);
  return {};
}

void ModelStore::refresh_metrics() const {
  for (const ModelStatus& status : list()) {
    if (!status.model || !status.model->generator()) continue;
    const GeneratorStats stats = status.model->generator()->stats();
    const auto blocks = [&](const char* state, int count) {
      metrics_
          .gauge("millrace_kv_blocks", "Blocks of the KV cache by state",
                 {{"model_name", status.name}, {"state", state}})
          .set(count);
    };
    blocks("total", stats.num_blocks);
    blocks("free", stats.num_free_blocks);
    blocks("cached", stats.num_cached_blocks);
  }
}

}  // namespace millrace::serving
