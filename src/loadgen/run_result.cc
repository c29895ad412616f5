#include "loadgen/run_result.h"

#include <algorithm>
#include <cmath>

namespace millrace::loadgen {
namespace {

constexpr int kMostBuckets = 150;

struct Latencies {
  std::vector<double> ttft, itl, tpot, e2e, lag;
};

// Returns whether the request met the SLO.
bool add_latencies(const RequestRecord& record, const Slo& slo, Latencies& to) {
  const auto& times = record.token_times;
  const double ttft = (times.front() - record.scheduled) * 1e3;
  to.ttft.push_back(ttft);
  to.e2e.push_back((record.finished - record.scheduled) * 1e3);
  for (std::size_t i = 1; i < times.size(); ++i) to.itl.push_back((times[i] - times[i - 1]) * 1e3);
  double tpot = 0;
  if (record.output_tokens > 1 && times.size() > 1) {
    tpot = (times.back() - times.front()) * 1e3 / (record.output_tokens - 1);
    to.tpot.push_back(tpot);
  }
  return (slo.ttft_ms <= 0 || ttft <= slo.ttft_ms) && (slo.tpot_ms <= 0 || tpot <= slo.tpot_ms);
}

// Tokens that came within the window. Where the server merges tokens into fewer pieces, each piece
// stands for its share of the request's count.
double tokens_within(const RequestRecord& record, double window) {
  const auto& times = record.token_times;
  if (times.empty()) return 0;
  const auto inside =
      static_cast<double>(std::ranges::count_if(times, [&](double at) { return at <= window; }));
  return inside * record.output_tokens / static_cast<double>(times.size());
}

Timeline make_timeline(const LoadLog& log) {
  Timeline timeline;
  double end = log.window_seconds;
  for (const RequestRecord& record : log.records) end = std::max(end, record.finished);
  if (end <= 0) return timeline;
  timeline.bucket_seconds = bucket_width(end, kMostBuckets);
  const double width = timeline.bucket_seconds;
  const auto count = static_cast<std::size_t>(std::ceil(end / width));
  timeline.tokens_per_second.assign(count, 0);
  timeline.running.assign(count, 0);
  for (const RequestRecord& record : log.records) {
    const auto pieces = static_cast<double>(record.token_times.size());
    for (const double at : record.token_times) {
      const auto bucket = std::min(count - 1, static_cast<std::size_t>(std::max(at, 0.0) / width));
      timeline.tokens_per_second[bucket] += record.output_tokens / pieces / width;
    }
    const auto first = static_cast<std::size_t>(std::max(record.sent, 0.0) / width);
    for (std::size_t b = first; b < count && static_cast<double>(b) * width < record.finished;
         ++b) {
      const double begin = std::max(record.sent, static_cast<double>(b) * width);
      const double stop = std::min(record.finished, static_cast<double>(b + 1) * width);
      timeline.running[b] += std::max(0.0, stop - begin) / width;
    }
  }
  return timeline;
}

void count_failure(const RequestRecord& record, RunResult& result) {
  const std::string name = failure_name(record);
  ++result.errors[name];
  if (result.first_error.empty()) result.first_error = name + ": " + record.error_text;
}

}  // namespace

RunResult make_result(const LoadLog& log, const Slo& slo) {
  RunResult result;
  result.slo = slo;
  result.seconds = log.window_seconds;
  result.interrupted = log.interrupted;
  Latencies latencies;
  double ended_inside = 0, prompts_inside = 0, tokens_inside = 0, pieces = 0, good_inside = 0;
  for (const RequestRecord& record : log.records) {
    ++result.num_requests;
    latencies.lag.push_back((record.sent - record.scheduled) * 1e3);
    pieces += static_cast<double>(record.token_times.size());
    if (!record.ok()) {
      count_failure(record, result);
      continue;
    }
    ++result.num_ok;
    const int prompt =
        record.prompt_tokens >= 0 ? record.prompt_tokens : record.planned_prompt_tokens;
    if (prompt != record.planned_prompt_tokens) ++result.num_inexact_prompts;
    result.prompt_tokens += prompt;
    result.cached_tokens += record.cached_tokens;
    result.output_tokens += record.output_tokens;
    const bool good = add_latencies(record, slo, latencies);
    if (good) ++result.num_within_slo;
    tokens_inside += tokens_within(record, log.window_seconds);
    if (record.token_times.front() <= log.window_seconds) prompts_inside += prompt;
    if (record.finished <= log.window_seconds) {
      ++ended_inside;
      if (good) ++good_inside;
    }
  }
  const double seconds = std::max(log.window_seconds, 1e-9);
  result.requests_per_second = ended_inside / seconds;
  result.output_tokens_per_second = tokens_inside / seconds;
  result.total_tokens_per_second = (tokens_inside + prompts_inside) / seconds;
  result.pieces_per_second = pieces / seconds;
  if (slo.any() && result.num_requests > 0) {
    result.goodput = good_inside / seconds;
    result.slo_attainment =
        static_cast<double>(result.num_within_slo) / static_cast<double>(result.num_requests);
  }
  if (pieces > 0) result.client_cpu_us_per_token = log.cpu_seconds * 1e6 / pieces;
  result.client_cpu_fraction = log.cpu_seconds / seconds;
  result.client_lag_p99_ms = summarise(std::move(latencies.lag)).p99;
  result.ttft_ms = summarise(std::move(latencies.ttft));
  result.itl_ms = summarise(std::move(latencies.itl));
  result.tpot_ms = summarise(std::move(latencies.tpot));
  result.e2e_ms = summarise(std::move(latencies.e2e));
  result.timeline = make_timeline(log);
  return result;
}

}  // namespace millrace::loadgen
