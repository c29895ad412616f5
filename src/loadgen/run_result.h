// RunResult: one measurement as people and files see it. The JSON form is the interchange between
// `bench serve --json` and `bench report`; docs/benchmark.md describes it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "loadgen/load_run.h"
#include "loadgen/statistics.h"

namespace millrace::loadgen {

struct Slo {
  double ttft_ms = 0;  // 0: none
  double tpot_ms = 0;
  bool any() const { return ttft_ms > 0 || tpot_ms > 0; }
};

struct Timeline {
  double bucket_seconds = 0;
  std::vector<double> tokens_per_second;
  std::vector<double> running;  // requests under way, on average
};

struct RunResult {
  std::string label;    // what the report calls it
  std::string started;  // "2026-09-30T12:00:00Z"
  std::string target, model, api;
  json::object load;      // how it was loaded: settings by name
  double load_level = 0;  // users, or requests a second
  std::string load_unit;  // "users" or "requests/s"

  std::int64_t num_requests = 0, num_ok = 0;
  std::map<std::string, std::int64_t> errors;  // by kind
  std::string first_error;
  double seconds = 0;
  bool interrupted = false;
  std::int64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  std::int64_t num_inexact_prompts = 0;  // the server counted other than planned
  double requests_per_second = 0, output_tokens_per_second = 0, total_tokens_per_second = 0;
  double pieces_per_second = 0;  // events with text: fewer than tokens where a server merges them
  Summary ttft_ms, itl_ms, tpot_ms, e2e_ms;

  Slo slo;
  std::int64_t num_within_slo = 0;
  double goodput = 0;         // requests a second within the SLO
  double slo_attainment = 0;  // of all requests, failed ones included

  double client_cpu_us_per_token = 0;
  double client_cpu_fraction = 0;  // of one core
  double client_lag_p99_ms = 0;    // sent after due
  Timeline timeline;
};

// Definitions, per request: TTFT from due to the first piece of text; inter-token latencies the
// gaps between pieces; TPOT = (last piece − first) / (output tokens − 1), of requests with two or
// more; end-to-end from due to the end of the answer. Failed requests have no latencies.
RunResult make_result(const LoadLog& log, const Slo& slo);

json::object to_json(const RunResult& result);
// Of files that anyone may have edited: the error names the field.
Result<RunResult> from_json(const json::value& value);

}  // namespace millrace::loadgen
