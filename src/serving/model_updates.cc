// ModelStore: from what lies in the models folder to what is loaded and taken out of service.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "serving/model_store.h"
#include "serving/model_store_entries.h"

namespace millrace::serving {
namespace {

using FoundByName = std::map<std::string, std::vector<FoundModel>>;

FoundByName by_name(std::vector<FoundModel> found) {
  FoundByName names;
  for (FoundModel& model : found) names[model.spec.name].push_back(std::move(model));
  return names;
}

std::unexpected<Error> polled() {
  return fail(ErrorKind::conflict,
              "The models folder is watched (--model-control-mode poll): models come and go with "
              "their files.",
              "model", "model_control_poll");
}

}  // namespace

Result<std::vector<FoundModel>> ModelStore::scan(std::string_view name) const {
  auto found = scan_models(options_.path, backends_, options_.defaults);
  if (found && !name.empty()) {
    std::erase_if(*found, [&](const FoundModel& model) { return model.spec.name != name; });
  }
  return found;
}

Status ModelStore::open() {
  auto found = scan();
  if (!found) return pass(found);
  if (found->empty() && options_.control == ModelControl::none) {
    return fail(ErrorKind::not_found,
                fmt::format("no model in '{}': each model is a sub-folder or a file",
                            options_.path.string()));
  }
  auto names = by_name(*std::move(found));
  std::set<std::string> wanted;
  bool all = options_.control != ModelControl::explicit_only;
  for (const std::string& asked : options_.startup_models) {
    all = all || asked == "*";
    if (asked == "*") continue;
    const std::string name = model_name_of(asked);
    if (!names.contains(name)) {
      return fail(ErrorKind::not_found,
                  fmt::format("--load-model {}: there is no such model in '{}'", asked,
                              options_.path.string()),
                  "load-model");
    }
    wanted.insert(name);
  }
  std::lock_guard lock(mutex_);
  for (const auto& [name, versions] : names) {
    for (const FoundModel& f : versions) last_seen_[{name, f.version}] = f.stamp;
  }
  // All are known before the first load begins: they share the memory for KV caches.
  for (const auto& [name, versions] : names) update_group(name, versions, false, false, nullptr);
  for (auto& [name, versions] : names) {
    if (all || wanted.contains(name)) update_group(name, std::move(versions), true, true, nullptr);
  }
  first_loads_over_ = !loading_locked();
  if (options_.control == ModelControl::poll) {
    poller_ = std::thread([this] {
      name_this_thread("model-poll");
      poll();
    });
  }
  return {};
}

bool ModelStore::needs_load(const Entry& entry, const FoundModel& found, bool retry) {
  const bool changed = entry.found.stamp != found.stamp;
  if (entry.loading) return changed;
  if (entry.model) return changed || (retry && !entry.error.message.empty());
  if (entry.state == ModelState::failed) return changed || retry;
  return !entry.load_again;
}

void ModelStore::update_group(const std::string& name, std::vector<FoundModel> found, bool load,
                              bool retry, const std::shared_ptr<Waiter>& waiter) {
  Group& group = groups_[name];
  for (auto& [number, entry] : group.versions) entry.unwanted = true;
  if (!found.empty()) group.labels = found.front().rules.labels;
  for (FoundModel& model : found) {
    const auto [at, is_new] = group.versions.try_emplace(version_number(model.version));
    Entry& entry = at->second;
    entry.unwanted = false;
    const bool needed = is_new || needs_load(entry, model, retry);
    if (load && (needed || entry.loading || entry.load_again) && waiter) {
      ++waiter->num_left;
      entry.waiters.push_back(waiter);
    }
    if (!needed) continue;
    entry.found = std::move(model);
    if (!load) continue;
    entry.unload_after = false;
    if (entry.loading || entry.state == ModelState::unloading) {
      entry.load_again = true;
    } else {
      start_load(entry);
    }
  }
}

void ModelStore::take_out(Entry& entry, std::vector<ModelHandle>& taken) {
  if (!entry.model) return;
  taken.push_back(std::exchange(entry.model, nullptr));
  entry.error = {};
  set_state(entry, ModelState::unloading);
}

void ModelStore::retire_unwanted(Group& group, std::vector<ModelHandle>& taken) {
  const bool successors_serve = std::ranges::all_of(group.versions, [](const auto& version) {
    const Entry& entry = version.second;
    return entry.unwanted || (entry.model && !entry.loading);
  });
  if (!successors_serve) return;
  for (auto& [number, entry] : group.versions) {
    if (entry.unwanted && !entry.loading) take_out(entry, taken);
  }
}

Status ModelStore::unload(std::string_view name) {
  if (options_.control == ModelControl::poll) return polled();
  std::vector<ModelHandle> taken;  // declared before the lock: let go after it
  std::lock_guard lock(mutex_);
  const auto found = groups_.find(name);
  if (found != groups_.end()) {
    for (auto& [number, entry] : found->second.versions) {
      entry.unload_after = entry.loading && entry.model;
      take_out(entry, taken);
    }
  }
  if (!taken.empty()) return {};
  return fail(ErrorKind::not_found, "No such model is loaded.", "model", "model_not_found");
}

Status ModelStore::load(std::string_view name, LoadDone on_done) {
  if (options_.control == ModelControl::poll) return polled();
  auto found = scan(name);
  if (!found) return pass(found);
  if (found->empty()) {
    return fail(ErrorKind::not_found, "No such model.", "model", "model_not_found");
  }
  auto waiter = std::make_shared<Waiter>();
  std::vector<ModelHandle> taken;
  std::unique_lock lock(mutex_);
  const std::string known(name);
  update_group(known, *std::move(found), true, true, waiter);
  if (waiter->num_left > 0) {
    waiter->on_done = std::move(on_done);
    return {};
  }
  retire_unwanted(groups_[known], taken);
  lock.unlock();
  if (on_done) on_done({});
  return {};
}

void ModelStore::poll() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, options_.poll_interval, [&] { return stopping_.load(); })) {
    lock.unlock();
    auto found = scan();
    if (found) {
      apply_poll(*std::move(found));
    } else {
      log_warn("the models folder cannot be looked at: {}", found.error().message);
    }
    lock.lock();
  }
}

void ModelStore::apply_poll(std::vector<FoundModel> found) {
  Stamps seen;
  for (const FoundModel& model : found) seen[{model.spec.name, model.version}] = model.stamp;
  auto names = by_name(std::move(found));
  std::vector<ModelHandle> taken;  // declared before the lock: let go after it
  std::lock_guard lock(mutex_);
  for (const auto& [name, group] : groups_) names.try_emplace(name);
  for (auto& [name, versions] : names) {
    // Files that are still being written, or taken away, are left for the next time.
    const auto first = [&](const Stamps& stamps) { return stamps.lower_bound({name, ""}); };
    const auto last = [&](const Stamps& stamps) {
      return std::ranges::find_if(first(stamps), stamps.end(),
                                  [&](const auto& stamp) { return stamp.first.first != name; });
    };
    if (!std::ranges::equal(first(seen), last(seen), first(last_seen_), last(last_seen_))) continue;
    update_group(name, std::move(versions), true, false, nullptr);
    retire_unwanted(groups_[name], taken);
  }
  last_seen_ = std::move(seen);
}

}  // namespace millrace::serving
