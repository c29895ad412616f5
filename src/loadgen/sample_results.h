// For tests: a whole result of made-up requests.
#pragma once

#include <string>
#include <vector>

#include "loadgen/run_result.h"

namespace millrace::loadgen {

// `scale` stretches every time. One of the 21 requests failed.
inline RunResult sample_result(const std::string& label, double scale) {
  LoadLog log;
  log.window_seconds = 10;
  log.cpu_seconds = 0.01;
  for (int i = 0; i < 20; ++i) {
    RequestRecord record{.index = static_cast<std::uint64_t>(i), .scheduled = 0.4 * i};
    record.sent = record.scheduled;
    record.planned_prompt_tokens = record.prompt_tokens = 100;
    for (int t = 0; t < 10; ++t)
      record.token_times.push_back(record.scheduled + scale * (0.05 + 0.001 * i + 0.01 * t));
    record.output_tokens = 10;
    record.finished = record.token_times.back();
    log.records.push_back(record);
  }
  RequestRecord failed{.scheduled = 1};
  failed.failure = Failure::timeout;
  failed.error_text = "timed out";
  failed.finished = 2;
  log.records.push_back(failed);
  RunResult result = make_result(log, {.ttft_ms = 100, .tpot_ms = 20});
  result.label = label;
  result.started = "2026-01-02T03:04:05Z";
  result.target = "http://127.0.0.1:8000";
  result.model = "m";
  result.api = "chat";
  result.load = json::object{{"users", 4}, {"prompt", "100"}};
  result.load_level = 4;
  result.load_unit = "users";
  return result;
}

}  // namespace millrace::loadgen
