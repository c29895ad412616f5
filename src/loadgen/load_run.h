// LoadRun: one measurement: warm-up, then closed or open loop, on the calling thread.
//
// Closed loop: each user sends its next request when the last has ended (after a failure, 0.1 s
// later). Open loop: requests are due at times drawn beforehand, whatever the server does; a
// request's latencies count from when it was due, so a server that stalls is charged for everyone
// who would have waited (no coordinated omission), and a lagging client is charged too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "loadgen/load_client.h"
#include "loadgen/request_record.h"
#include "loadgen/target.h"
#include "loadgen/workload.h"

namespace millrace::loadgen {

struct LoadShape {
  int users = 1;                  // closed loop; ignored where rate > 0
  double rate = 0;                // open loop: requests a second
  double burstiness = 1;          // see Arrivals
  std::int64_t max_requests = 0;  // 0: until the duration is over
  double duration_seconds = 0;    // requests are sent for so long; those under way are awaited
  int warmup_requests = 0;        // sent before, not counted
  double timeout_seconds = 600;   // of one request
  std::string api_key{};          // "Authorization: Bearer"; empty: none
};

struct LoadProgress {
  bool warming_up = false;
  double seconds = 0;
  std::size_t num_in_flight = 0;
  std::uint64_t num_done = 0, num_failed = 0, num_tokens = 0;
};

struct LoadLog {
  std::vector<RequestRecord> records;  // by time of their end
  // Throughput counts what happened before this: the duration, or the last request's end.
  double window_seconds = 0;
  double cpu_seconds = 0;  // of this thread in the measured part
  bool interrupted = false;
};

struct LoadHooks {
  std::function<void(const LoadProgress&)> progress{};  // about 10 times a second; may be empty
  const std::atomic<bool>* stop = nullptr;              // true: end now, drop what is under way
};

// Blocks until done. Errors: no event loop, or every warm-up request failed (with the reason).
Result<LoadLog> run_load(const Target& target, const PeerAddress& peer, const Workload& workload,
                         const LoadShape& shape, const LoadHooks& hooks);

// The request line and fields around a body, as the load sends them.
std::string format_post(const Target& target, const char* path, const std::string& api_key,
                        const std::string& body);

}  // namespace millrace::loadgen
