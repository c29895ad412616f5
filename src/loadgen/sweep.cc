#include "loadgen/sweep.h"

#include <fmt/format.h>

#include <iterator>

#include "loadgen/figures.h"

namespace millrace::loadgen {
namespace {

std::string level_text(const RunResult& r) {
  return fmt::format("{:g} {}", r.load_level, r.load_unit);
}

json::value level_json(std::span<const RunResult> results, std::optional<std::size_t> index) {
  return index ? to_json(results[*index]).at("load_level") : json::value(nullptr);
}

}  // namespace

SweepSummary summarise_sweep(std::span<const RunResult> results, double attainment) {
  SweepSummary summary;
  double best_power = 0, best_tokens = 0;
  bool holds = true;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const RunResult& r = results[i];
    if (r.slo.any()) {
      holds = holds && r.num_requests > 0 && r.slo_attainment >= attainment;
      if (holds) summary.highest_within_slo = i;
    }
    if (r.e2e_ms.count == 0 || r.e2e_ms.mean <= 0) continue;
    const double power = r.output_tokens_per_second / r.e2e_ms.mean;
    if (power > best_power) {
      best_power = power;
      summary.knee = i;
    }
    if (r.output_tokens_per_second > best_tokens) {
      best_tokens = r.output_tokens_per_second;
      summary.peak = i;
    }
  }
  return summary;
}

std::string format_sweep(std::span<const RunResult> results, const SweepSummary& summary,
                         double attainment) {
  if (results.empty()) return {};
  const bool slo = results.front().slo.any();
  std::string out = fmt::format(
      "{:>10}{:>12}{:>10}{:>11}{:>11}{:>11}{:>11}{:>8}{}\n", results.front().load_unit, "out tok/s",
      "req/s", "TTFT p50", "TTFT p99", "TPOT p50", "TPOT p99", "failed", slo ? "     SLO" : "");
  const auto figure = [](const Summary& summary_of, double Summary::* field) {
    return summary_of.count == 0 ? std::string("-") : format_figure(summary_of.*field);
  };
  for (std::size_t i = 0; i < results.size(); ++i) {
    const RunResult& r = results[i];
    fmt::format_to(std::back_inserter(out), "{:>10g}{:>12}{:>10}{:>11}{:>11}{:>11}{:>11}{:>8}",
                   r.load_level, format_figure(r.output_tokens_per_second),
                   format_figure(r.requests_per_second), figure(r.ttft_ms, &Summary::p50),
                   figure(r.ttft_ms, &Summary::p99), figure(r.tpot_ms, &Summary::p50),
                   figure(r.tpot_ms, &Summary::p99), r.num_requests - r.num_ok);
    if (slo) fmt::format_to(std::back_inserter(out), "{:>6.1f} %", 100 * r.slo_attainment);
    if (summary.knee == i) out += "  knee";
    if (summary.highest_within_slo == i) out += "  highest within the SLO";
    out += '\n';
  }
  out += "(milliseconds)\n";
  if (summary.knee) {
    out += fmt::format("knee: {}; most output: {} tokens/s at {}\n",
                       level_text(results[*summary.knee]),
                       format_figure(results[*summary.peak].output_tokens_per_second),
                       level_text(results[*summary.peak]));
  }
  if (slo && summary.highest_within_slo) {
    out += fmt::format("highest load with {:g} % of requests within the SLO: {}\n",
                       100 * attainment, level_text(results[*summary.highest_within_slo]));
  } else if (slo) {
    out += fmt::format("no load tried keeps {:g} % of requests within the SLO\n", 100 * attainment);
  }
  return out;
}

json::object sweep_json(std::span<const RunResult> results, const SweepSummary& summary,
                        double attainment) {
  json::object out;
  out["millrace_bench"] = 1;
  out["kind"] = "sweep";
  out["load_unit"] = results.empty() ? "" : results.front().load_unit;
  out["knee"] = level_json(results, summary.knee);
  out["peak"] = level_json(results, summary.peak);
  out["slo_attainment_wanted"] = attainment;
  out["highest_within_slo"] = level_json(results, summary.highest_within_slo);
  json::array runs;
  for (const RunResult& r : results) runs.push_back(to_json(r));
  out["runs"] = std::move(runs);
  return out;
}

}  // namespace millrace::loadgen
