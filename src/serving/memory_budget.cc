#include "serving/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <optional>

#include "base/settings.h"

namespace millrace::serving {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// A file of /sys that holds one number; "max" and absence are nothing.
std::optional<std::int64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::int64_t machine_available() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::int64_t kib = 0;
  while (file >> key >> kib) {
    if (key == "MemAvailable:") return kib << 10;
    std::getline(file, unit);
  }
  return kUnlimited;
}

// Version 2 of cgroups, then version 1; either may be absent. Page cache counts as used here, as
// the kernel would reclaim it first this errs on the safe side.
std::int64_t cgroup_available() {
  constexpr std::array kPlaces = {
      std::pair{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
      std::pair{"/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
  for (const auto& [limit_path, used_path] : kPlaces) {
    const auto limit = read_number(limit_path);
    if (limit) return std::max<std::int64_t>(0, *limit - read_number(used_path).value_or(0));
  }
  return kUnlimited;
}

}  // namespace

std::int64_t available_memory_bytes() {
  return std::min(machine_available(), cgroup_available());
}

MemoryBudget::MemoryBudget(MemoryLimits limits, Metrics& metrics)
    : limits_(limits), metrics_(metrics) {
  if (limits_.total_bytes <= 0) limits_.total_bytes = available_memory_bytes() / 5 * 4;
  metrics_.gauge("millrace_memory_limit_bytes", "Memory that all models together may take")
      .set(static_cast<double>(limits_.total_bytes));
}

std::int64_t MemoryBudget::used_locked() const {
  std::int64_t sum = 0;
  for (const auto& [load, use] : loads_) sum += use.total();
  return sum;
}

std::int64_t MemoryBudget::used() const {
  std::lock_guard lock(mutex_);
  return used_locked();
}

std::int64_t MemoryBudget::kv_cache_bytes() const {
  std::lock_guard lock(mutex_);
  std::int64_t sum = 0;
  for (const auto& [load, use] : loads_) sum += use.kv_cache_bytes;
  return sum;
}

void MemoryBudget::publish(const std::string& model) {
  MemoryUse use;
  for (auto load = loads_.lower_bound({model, 0}); load != loads_.end(); ++load) {
    if (load->first.first != model) break;
    use.weight_bytes += load->second.weight_bytes;
    use.kv_cache_bytes += load->second.kv_cache_bytes;
  }
  const auto gauge = [&](const char* kind, std::int64_t bytes) {
    metrics_
        .gauge("millrace_memory_bytes", "Memory accounted to a model",
               {{"model_name", model}, {"kind", kind}})
        .set(static_cast<double>(bytes));
  };
  gauge("weights", use.weight_bytes);
  gauge("kv_cache", use.kv_cache_bytes);
}

Status MemoryBudget::set(const std::string& model, MemoryUse use, std::uint64_t serial) {
  std::lock_guard lock(mutex_);
  const auto had = loads_.find({model, serial});
  const std::int64_t others =
      used_locked() - (had == loads_.end() ? std::int64_t{0} : had->second.total());
  if (use.total() > limits_.total_bytes - others) {
    return fail(
        ErrorKind::too_large,
        fmt::format("model '{}' needs {} of weights and {} of KV cache, but {} of the memory limit "
                    "of {} are left (other models hold {}); raise --memory-limit, lower "
                    "--kv-cache-memory or serve fewer models",
                    model, format_byte_size(use.weight_bytes), format_byte_size(use.kv_cache_bytes),
                    format_byte_size(std::max<std::int64_t>(0, limits_.total_bytes - others)),
                    format_byte_size(limits_.total_bytes), format_byte_size(others)),
        {}, "out_of_memory");
  }
  loads_[{model, serial}] = use;
  publish(model);
  return {};
}

void MemoryBudget::release(const std::string& model, std::uint64_t serial) {
  std::lock_guard lock(mutex_);
  if (loads_.erase({model, serial}) > 0) publish(model);
}

std::int64_t MemoryBudget::kv_share(std::int64_t weight_bytes, int num_models) const {
  if (num_models <= 0) return 0;
  const std::int64_t left = std::max<std::int64_t>(0, limits_.total_bytes - weight_bytes);
  const std::int64_t all = limits_.kv_cache_bytes > 0 ? limits_.kv_cache_bytes : left / 2;
  return std::min(all, left) / num_models;
}

}  // namespace millrace::serving
