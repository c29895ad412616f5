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
#include <thread>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/worker_pool.h"
#include "servable/servable.h"
#include "serving/memory_budget.h"
#include "serving/model.h"
#include "serving/model_scan.h"

namespace millrace::serving {

enum class ModelState : std::uint8_t { waiting, loading, ready, failed, unloading, unloaded };
const char* to_string(ModelState state);

// Of one version of a model.
struct ModelStatus {
  std::string name{}, version{}, backend{};
  ModelState state = ModelState::waiting;
  double progress = 0;      // 0..1 while loading
  std::string stage{};      // what loading is doing, for people
  Error error{};            // when failed; beside a model that serves: why its last update failed
  ModelHandle model{};      // when ready, also while its successor is being loaded
  bool is_default = false;  // what a request without a version gets
  bool takes_tensors = false;         // its backend's models are graphs; known before it is loaded
  std::vector<std::string> labels{};  // names of this version
};

// Codes of a backend's errors that another model's load may mend. The first: the model waits and is
// tried again whenever a load has ended. The second: it has failed, and is tried again when a load
// went well.
inline constexpr const char* kWaitsForModel = "waits_for_model";
inline constexpr const char* kNeedsModel = "needs_model";

// Who decides what is loaded. none: all that is there at start. poll: what is there, watched.
// explicit_only: what is asked for.
enum class ModelControl : std::uint8_t { none, poll, explicit_only };
const char* to_string(ModelControl control);  // "none", "poll", "explicit"

struct ModelStoreOptions {
  std::filesystem::path path;  // folder of models, or one model
  ModelSpec defaults;          // settings for every model
  MemoryLimits memory;
  ModelControl control = ModelControl::none;
  std::chrono::milliseconds poll_interval = std::chrono::seconds(15);
  std::vector<std::string> startup_models{};  // of explicit_only: names; "*" is all
};

class ModelStore {
 public:
  // Borrows backends and metrics; they outlive the store, the store outlives every handle.
  ModelStore(ModelStoreOptions options, std::vector<Backend*> backends, Metrics& metrics);
  ~ModelStore();

  // Scans and starts loading, and watching where that is wanted. Fails when the path is not there,
  // holds no model (ModelControl::none), or lacks one of the startup models.
  Status open();
  // True once no load is under way or waiting.
  bool wait_until_loaded(std::chrono::milliseconds timeout);

  // The model, upper case or lower. `version`: a number, a label, or nothing: then the default, or
  // else the highest that serves. not_found ("model_not_found"; `param` says which of the two);
  // unavailable ("model_loading", "model_failed", "model_unloaded") while it cannot serve.
  Result<ModelHandle> find(std::string_view name, std::string_view version = {}) const;
  // The same for a label alone: a number is no label here.
  Result<ModelHandle> find_label(std::string_view name, std::string_view label) const;
  // From now on requests without a version get this one, as long as it serves; with an empty
  // version the highest again. not_found where it does not serve.
  Status set_default(std::string_view name, std::string_view version);

  std::vector<ModelStatus> list() const;  // every version, sorted by name, then number
  // The versions of one model; not_found where there is none of that name.
  Result<std::vector<ModelStatus>> list(std::string_view name) const;
  // The first loads are over, and (ModelControl::none) at least one model serves.
  bool ready() const;
  ModelControl control() const { return options_.control; }

  // Takes all versions out of service; running requests finish on them, then their memory is free.
  Status unload(std::string_view name);
  // Looks at the model's files again and loads what is to be served: versions that are not loaded,
  // or whose files have changed (the old one serves until the new one does); versions no longer
  // wanted go when that has succeeded. What is still being unloaded is loaded after that. `on_done`
  // hears how it ended, on a thread of the store's; it is not called where this returns an error,
  // and at once where there is nothing to do. Both are refused (conflict) in ModelControl::poll.
  using LoadDone = std::function<void(const Status&)>;
  Status load(std::string_view name, LoadDone on_done = {});

  // Sets the gauges that are read off the models: KV blocks by state. Called before a scrape.
  void refresh_metrics() const;
  const MemoryBudget& memory() const { return budget_; }

 private:
  struct Entry;   // one version
  struct Group;   // one model
  struct Waiter;  // somebody who asked for a load
  struct Ended;   // what is to be let go of, and who is to be told, outside the lock
  using Groups = std::map<std::string, Group, std::less<>>;
  using Stamps = std::map<std::pair<std::string, std::string>, std::uint64_t>;  // name and version

  // model_store.cc: looking up. mutex_ held in all of them.
  const Group* group_of(std::string_view name) const;
  static const Entry* default_entry(const Group& group);
  static Result<ModelHandle> handle_of(const Entry& entry);
  static Result<ModelHandle> find_version(const Group& group, std::uint64_t number);
  ModelStatus status_of(const Group& group, const Entry& entry) const;
  bool loading_locked() const;

  // model_updates.cc: from what lies in the folder to loads and unloads.
  Result<std::vector<FoundModel>> scan(std::string_view name = {}) const;
  static bool needs_load(const Entry& entry, const FoundModel& found, bool retry);
  // `load`: what is needed is loaded, not only noted. `retry`: what has failed, too.
  void update_group(const std::string& name, std::vector<FoundModel> found, bool load, bool retry,
                    const std::shared_ptr<Waiter>& waiter);             // mutex_ held
  void take_out(Entry& entry, std::vector<ModelHandle>& taken);         // mutex_ held
  void retire_unwanted(Group& group, std::vector<ModelHandle>& taken);  // mutex_ held
  void poll();
  void apply_poll(std::vector<FoundModel> found);

  // model_loading.cc: one load, one taking down.
  void start_load(Entry& entry);  // mutex_ held
  bool others_serve(int own);
  void run_load(const std::string& name, std::uint64_t version);
  void finish_load(Entry& entry, Result<ModelHandle> model);
  void end_load(Entry& entry, Result<ModelHandle> model, Ended& out);  // mutex_ held
  void park(Entry& entry, Error reason, Ended& out);  // mutex_ held; until another load has ended
  void retry_others(bool loaded);                     // mutex_ held
  Result<ModelHandle> load_model(const FoundModel& found, std::uint64_t serial,
                                 LoadContext& context);
  Result<std::unique_ptr<Servable>> load_servable(const FoundModel& found, LoadContext& context);
  std::int64_t kv_share(const FoundModel& found) const;  // mutex_ held
  ModelHandle pin(std::unique_ptr<Model> model, std::uint64_t serial);
  Entry& entry_of(const Model& model);                       // mutex_ held
  void take_down(const Model* model, std::uint64_t serial);  // on the reaper's thread
  void set_state(Entry& entry, ModelState state);            // mutex_ held

  const ModelStoreOptions options_;
  const std::vector<Backend*> backends_;
  Metrics& metrics_;
  MemoryBudget budget_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Groups groups_;
  Stamps last_seen_;               // a poll ago
  std::uint64_t next_serial_ = 1;  // of loads
  int num_alive_ = 0;              // models with a handle somewhere, or being taken down
  bool first_loads_over_ = false;
  std::atomic<bool> stopping_ = false;
  // Takes models down: their destructors may wait for engine threads and unmap gigabytes, which
  // neither an io, a worker nor an engine thread may do.
  WorkerPool reaper_;
  WorkerPool loader_;  // joined before the reaper
  std::thread poller_;
};

}  // namespace millrace::serving
