#include "backends/short_runs.h"

#include <algorithm>

namespace millrace::backends {
namespace {

constexpr double kNewest = 0.1;       // weight of the newest time
constexpr double kSmallBytes = 4096;  // up to here the size of the input does not show

}  // namespace

double ShortRuns::expected_ns(std::size_t bytes) const {
  const double growth = std::max(kSmallBytes, static_cast<double>(bytes)) /
                        std::max(kSmallBytes, here_bytes_.load(std::memory_order_relaxed));
  return here_ns_.load(std::memory_order_relaxed) * std::max(1.0, growth);
}

bool ShortRuns::is_instant(std::size_t bytes) const {
  const double expected = expected_ns(bytes);
  return expected > 0 && expected < kInstantNs;
}

bool ShortRuns::run_here(std::size_t bytes) {
  const double known = here_ns_.load(std::memory_order_relaxed);
  const bool look_again = count_.fetch_add(1, std::memory_order_relaxed) % kTryAgainEvery == 0;
  const bool is_new = num_tries_.load(std::memory_order_relaxed) < kFirstTries;
  if (known != 0 && !is_new && !(look_again && known < kWorthTryingNs)) {
    return expected_ns(bytes) < kShortNs;
  }
  const std::int64_t elsewhere = elsewhere_ns_.load(std::memory_order_relaxed);
  return elsewhere >= 0 && elsewhere < kWorthTryingNs;
}

// The first run on a thread takes long (the runtime makes what it needs there), and a thread may
// lose its core. So a short time counts at once, and a long one by a tenth at most.
void ShortRuns::ran_here(std::size_t bytes, std::int64_t ns) {
  num_tries_.fetch_add(1, std::memory_order_relaxed);
  const double now = static_cast<double>(std::max<std::int64_t>(ns, 1));
  const double known = here_ns_.load(std::memory_order_relaxed);
  if (known == 0 || now < known) {
    here_ns_.store(now, std::memory_order_relaxed);
    here_bytes_.store(static_cast<double>(bytes), std::memory_order_relaxed);
    return;
  }
  here_ns_.store(known + kNewest * std::min(now - known, known), std::memory_order_relaxed);
}

}  // namespace millrace::backends
