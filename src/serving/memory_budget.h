// MemoryBudget: one account for the memory of all models: weights and KV caches. A model that does
// not fit is refused with the figures before it is loaded. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/metrics.h"
#include "base/result.h"

namespace millrace::serving {

struct MemoryLimits {
  std::int64_t total_bytes = 0;     // 0: 80 % of what is available at start
  std::int64_t kv_cache_bytes = 0;  // of all models together; 0: half of what the weights leave
};

// What this process may still take: the machine's MemAvailable, or less where its cgroup says so.
std::int64_t available_memory_bytes();

struct MemoryUse {
  std::int64_t weight_bytes = 0;
  std::int64_t kv_cache_bytes = 0;
  std::int64_t total() const { return weight_bytes + kv_cache_bytes; }
};

class MemoryBudget {
 public:
  MemoryBudget(MemoryLimits limits, Metrics& metrics);

  // Accounts `use` to one load of the model, in place of what that had. too_large (code
  // "out_of_memory") when the sum would pass the limit; the model then keeps what it had. Loads of
  // one model (its versions, a new one beside the old) are told apart by `serial`.
  Status set(const std::string& model, MemoryUse use, std::uint64_t serial = 0);
  void release(const std::string& model, std::uint64_t serial = 0);

  // The KV cache to grant to each of `num_models` models whose weights take `weight_bytes` in all.
  std::int64_t kv_share(std::int64_t weight_bytes, int num_models) const;
  // What KV caches have now.
  std::int64_t kv_cache_bytes() const;

  std::int64_t limit() const { return limits_.total_bytes; }
  std::int64_t used() const;

 private:
  std::int64_t used_locked() const;
  void publish(const std::string& model);  // mutex_ held

  MemoryLimits limits_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::uint64_t>, MemoryUse> loads_;
};

}  // namespace millrace::serving
