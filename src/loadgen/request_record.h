// What is kept of one request. Times are seconds since the start of the measurement.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::loadgen {

enum class Failure : std::uint8_t {
  none,
  connect,       // no connection
  disconnected,  // reset or closed before the answer was whole
  timeout,
  http_status,  // see `status`
  malformed,    // not HTTP, or not JSON events
  error_event,  // an error inside a stream that had begun with 200
  truncated,    // the stream ended in order, but without "[DONE]" and without a finish_reason
  empty,        // a whole answer without any token
};

struct RequestRecord {
  std::uint64_t index = 0;  // of the workload
  int user = -1;            // closed loop
  double scheduled = 0;     // when it was due: latencies count from here
  double sent = 0;          // when it went out; later than due when the client lags
  double finished = 0;
  int max_tokens = 0;
  int planned_prompt_tokens = 0;
  int prompt_tokens = -1;             // as the server counted; -1: it did not say
  int cached_tokens = 0;              // of the prompt, found in the server's prefix cache
  int output_tokens = 0;              // as the server counted, else pieces of text
  std::vector<double> token_times{};  // one a piece of text; several of one read share theirs
  Failure failure = Failure::none;
  int status = 0;            // HTTP, where an answer came
  std::string error_text{};  // what the server said

  bool ok() const { return failure == Failure::none; }
};

// "connect", "disconnected", …; a status as "http_503".
std::string failure_name(const RequestRecord& record);

}  // namespace millrace::loadgen
