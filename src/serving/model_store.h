// ModelStore: the models that are served. Finds them, loads them in the background within one
// memory budget, lends them by handle, takes them down. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/worker_pool.h"
#include "servable/servable.h"
#include "serving/batcher.h"
#include "serving/image/image_model.h"
#include "serving/memory_budget.h"
#include "serving/model_scan.h"
#include "serving/tensor_stats.h"
#include "serving/text_model.h"

namespace millrace::serving {

// A loaded model. Immutable; its parts are thread-safe.
class Model {
 public:
  Model(FoundModel found, std::unique_ptr<Servable> servable, std::unique_ptr<TextModel> text,
        std::optional<ImageModel> image, Metrics& metrics);

  const std::string& name() const { return name_; }
  const std::string& version() const { return version_; }
  const ModelDescription& description() const { return servable_->describe(); }
  Generator* generator() const { return servable_->generator(); }
  Embedder* embedder() const { return servable_->embedder(); }
  const TextModel* text() const { return text_.get(); }  // null for models without text
  Batcher* batcher() const { return batcher_.get(); }    // null for models without tensors
  const ImageModel* image() const { return image_ ? &*image_ : nullptr; }  // null: see task()
  // "classify", "detect": what may be asked of it about pictures; else empty.
  std::string_view task() const { return image_ ? to_string(image_->task()) : description().task; }
  const TensorStats* tensor_stats() const { return stats_.get(); }
  std::int64_t created() const { return created_; }  // seconds since 1970
  // Changes when the answers may: model, version, weights, kernels.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  std::string name_, version_, fingerprint_;
  std::int64_t created_;
  std::unique_ptr<Servable> servable_;
  std::unique_ptr<TextModel> text_;
  std::optional<ImageModel> image_;
  std::unique_ptr<TensorStats> stats_;
  std::unique_ptr<Batcher> batcher_;  // goes before what it uses
};

// Pins a model: every request in flight holds one, so the model outlives them all. Whoever drops
// the last one hands the model to the store's own thread, which takes it down.
using ModelHandle = std::shared_ptr<const Model>;

enum class ModelState : std::uint8_t { waiting, loading, ready, failed, unloading, unloaded };
const char* to_string(ModelState state);

struct ModelStatus {
  std::string name{}, version{}, backend{};
  ModelState state = ModelState::waiting;
  double progress = 0;         // 0..1 while loading
  std::string stage{};         // what loading is doing, for people
  Error error{};               // when failed
  ModelHandle model{};         // when ready
  bool takes_tensors = false;  // its backend's models are graphs; known before it is loaded
};

// Codes of a backend's errors that another model's load may mend. The first: the model waits and is
// tried again whenever a load has ended. The second: it has failed, and is tried again when a load
// went well.
inline constexpr const char* kWaitsForModel = "waits_for_model";
inline constexpr const char* kNeedsModel = "needs_model";

struct ModelStoreOptions {
  std::filesystem::path path;  // folder of models, or one model
  ModelSpec defaults;          // settings for every model
  MemoryLimits memory;
};

class ModelStore {
 public:
  // Borrows backends and metrics; they outlive the store, the store outlives every handle.
  ModelStore(ModelStoreOptions options, std::vector<Backend*> backends, Metrics& metrics);
  ~ModelStore();

  // Scans and starts loading. Fails when the path is not there or holds no model.
  Status open();
  // True once no load is under way or waiting.
  bool wait_until_loaded(std::chrono::milliseconds timeout);

  // The model, upper case or lower. not_found ("model_not_found"); unavailable ("model_loading",
  // "model_failed") while it cannot serve.
  Result<ModelHandle> find(std::string_view name) const;
  std::vector<ModelStatus> list() const;  // sorted by name
  // No load is under way and at least one model serves.
  bool ready() const;

  // Takes the model out of service; running requests finish on it, then its memory is free.
  Status unload(std::string_view name);
  // Loads it again, after a failure or an unload, from where it was found; a load that comes while
  // it is unloading begins when that is done. `on_done` hears how it ended, on a thread of the
  // store's; it is not called where this returns an error, and at once where the model serves.
  using LoadDone = std::function<void(const Status&)>;
  Status load(std::string_view name, LoadDone on_done = {});

  // Sets the gauges that are read off the models: KV blocks by state. Called before a scrape.
  void refresh_metrics() const;
  const MemoryBudget& memory() const { return budget_; }

 private:
  struct Entry;

  void start_load(Entry& entry);  // mutex_ held
  void run_load(const std::string& name);
  void park(const std::string& name, Error reason);  // until another model has been loaded
  Result<ModelHandle> load_model(const FoundModel& found, LoadContext& context);
  ModelHandle pin(std::unique_ptr<Model> model);
  void take_down(const Model* model);              // on the reaper's thread
  void set_state(Entry& entry, ModelState state);  // mutex_ held
  bool loading_locked() const;

  const ModelStoreOptions options_;
  const std::vector<Backend*> backends_;
  Metrics& metrics_;
  MemoryBudget budget_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry, std::less<>> entries_;
  int num_alive_ = 0;  // models with a handle somewhere, or being taken down
  std::atomic<bool> stopping_ = false;
  // Takes models down: their destructors may wait for engine threads and unmap gigabytes, which
  // neither an io, a worker nor an engine thread may do.
  WorkerPool reaper_;
  WorkerPool loader_;  // last: joined first
};

}  // namespace millrace::serving
