#include "serving/model_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "base/log.h"
#include "serving/model_store_entries.h"

namespace millrace::serving {
namespace {

constexpr std::chrono::seconds kUnloadPatience{10};

std::unexpected<Error> no_such_model() {
  return fail(ErrorKind::not_found, "The model does not exist.", "model", "model_not_found");
}

}  // namespace

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

const char* to_string(ModelControl control) {
  switch (control) {
    case ModelControl::none:
      return "none";
    case ModelControl::poll:
      return "poll";
    case ModelControl::explicit_only:
      return "explicit";
  }
  return "unknown";
}

ModelStore::ModelStore(ModelStoreOptions options, std::vector<Backend*> backends, Metrics& metrics)
    : options_(std::move(options)),
      backends_(std::move(backends)),
      metrics_(metrics),
      budget_(options_.memory, metrics),
      reaper_("reaper", 1),
      loader_("loader", 1) {}

ModelStore::~ModelStore() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (poller_.joinable()) poller_.join();
  loader_.wait_idle();  // a load that ends later would bring a model that nobody takes down
  std::vector<ModelHandle> taken;  // let go outside the lock
  std::unique_lock lock(mutex_);
  for (auto& [name, group] : groups_) {
    for (auto& [number, entry] : group.versions) taken.push_back(std::move(entry.model));
  }
  lock.unlock();
  taken.clear();
  lock.lock();
  if (!changed_.wait_for(lock, kUnloadPatience, [&] { return num_alive_ == 0; })) {
    log_error("{} models are still in use after {} s", num_alive_, kUnloadPatience.count());
  }
}

bool ModelStore::loading_locked() const {
  return std::ranges::any_of(groups_, [](const auto& named) {
    return std::ranges::any_of(named.second.versions,
                               [](const auto& version) { return version.second.loading; });
  });
}

bool ModelStore::wait_until_loaded(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return !loading_locked(); });
}

const ModelStore::Group* ModelStore::group_of(std::string_view name) const {
  auto found = groups_.find(name);
  if (found == groups_.end() && name.size() <= 256) found = groups_.find(model_name_of(name));
  return found == groups_.end() ? nullptr : &found->second;
}

const ModelStore::Entry* ModelStore::default_entry(const Group& group) {
  const auto chosen = group.versions.find(group.default_version);
  if (chosen != group.versions.end() && chosen->second.model) return &chosen->second;
  for (const auto& [number, entry] : group.versions | std::views::reverse) {
    if (entry.model) return &entry;
  }
  // None serves: what is under way says more than what is not wanted any more.
  for (const auto& [number, entry] : group.versions | std::views::reverse) {
    if (entry.loading) return &entry;
  }
  return group.versions.empty() ? nullptr : &group.versions.rbegin()->second;
}

Result<ModelHandle> ModelStore::handle_of(const Entry& entry) {
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

Result<ModelHandle> ModelStore::find_version(const Group& group, std::uint64_t number) {
  const auto found = group.versions.find(number);
  // A version that is gone is one that does not exist, unless the whole model is unloaded.
  if (found != group.versions.end() && !found->second.unwanted) return handle_of(found->second);
  if (found != group.versions.end() && found->second.model) return found->second.model;
  std::string serving;
  for (const auto& [known, entry] : group.versions) {
    if (entry.model) serving += fmt::format("{}{}", serving.empty() ? "" : ", ", known);
  }
  return fail(ErrorKind::not_found,
              serving.empty() ? "The model has no such version; none serves."
              : serving.find(',') == std::string::npos
                  ? fmt::format("The model has no such version; version {} serves.", serving)
                  : fmt::format("The model has no such version; versions {} serve.", serving),
              "version", "model_not_found");
}

Result<ModelHandle> ModelStore::find(std::string_view name, std::string_view version) const {
  if (!version.empty() && version_number(version) == 0) return find_label(name, version);
  std::lock_guard lock(mutex_);
  const Group* group = group_of(name);
  if (!group) return no_such_model();
  if (!version.empty()) return find_version(*group, version_number(version));
  const Entry* entry = default_entry(*group);
  return entry ? handle_of(*entry) : no_such_model();
}

Result<ModelHandle> ModelStore::find_label(std::string_view name, std::string_view label) const {
  std::lock_guard lock(mutex_);
  const Group* group = group_of(name);
  if (!group) return no_such_model();
  const auto found = group->labels.find(label);
  if (found != group->labels.end()) return find_version(*group, found->second);
  return fail(ErrorKind::not_found,
              "The model has no version of that name; a version is a number, or a label of "
              "[version-labels] in its model.toml.",
              "version", "model_not_found");
}

Status ModelStore::set_default(std::string_view name, std::string_view version) {
  std::lock_guard lock(mutex_);
  Group* group = const_cast<Group*>(group_of(name));
  if (!group) return no_such_model();
  if (version.empty()) {
    group->default_version = 0;
    return {};
  }
  const auto label = group->labels.find(version);
  const std::uint64_t number =
      label != group->labels.end() ? label->second : version_number(version);
  if (const auto serves = find_version(*group, number); !serves) {
    return std::unexpected(serves.error());
  }
  group->default_version = number;
  return {};
}

ModelStatus ModelStore::status_of(const Group& group, const Entry& entry) const {
  ModelStatus status{.name = entry.found.spec.name,
                     .version = entry.found.version,
                     .backend = entry.found.backend->name(),
                     .state = entry.state,
                     .progress = entry.progress,
                     .stage = entry.stage,
                     .error = entry.error,
                     .model = entry.model,
                     .is_default = default_entry(group) == &entry,
                     .takes_tensors = !entry.found.backend->uses_kv_cache()};
  const std::uint64_t number = version_number(entry.found.version);
  for (const auto& [label, labelled] : group.labels) {
    if (labelled == number) status.labels.push_back(label);
  }
  return status;
}

std::vector<ModelStatus> ModelStore::list() const {
  std::lock_guard lock(mutex_);
  std::vector<ModelStatus> all;
  for (const auto& [name, group] : groups_) {
    for (const auto& [number, entry] : group.versions) all.push_back(status_of(group, entry));
  }
  return all;
}

Result<std::vector<ModelStatus>> ModelStore::list(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const Group* group = group_of(name);
  if (!group) return no_such_model();
  std::vector<ModelStatus> all;
  all.reserve(group->versions.size());
  for (const auto& [number, entry] : group->versions) all.push_back(status_of(*group, entry));
  return all;
}

bool ModelStore::ready() const {
  std::lock_guard lock(mutex_);
  if (!first_loads_over_) return false;
  if (options_.control != ModelControl::none) return true;
  return std::ranges::any_of(groups_, [](const auto& named) {
    return std::ranges::any_of(named.second.versions,
                               [](const auto& version) { return version.second.model != nullptr; });
  });
}

void ModelStore::refresh_metrics() const {
  struct Blocks {
    int total = 0, free = 0, cached = 0;
  };
  std::map<std::string, Blocks> blocks_of;
  for (const ModelStatus& status : list()) {
    if (!status.model || !status.model->generator()) continue;
    const GeneratorStats stats = status.model->generator()->stats();
    Blocks& sum = blocks_of[status.name];
    sum.total += stats.num_blocks;
    sum.free += stats.num_free_blocks;
    sum.cached += stats.num_cached_blocks;
  }
  for (const auto& [name, sum] : blocks_of) {
    const auto publish = [&](const char* state, int count) {
      metrics_
          .gauge("millrace_kv_blocks", "Blocks of the KV cache by state",
                 {{"model_name", name}, {"state", state}})
          .set(count);
    };
    publish("total", sum.total);
    publish("free", sum.free);
    publish("cached", sum.cached);
  }
}

}  // namespace millrace::serving
