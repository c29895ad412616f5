// What a series of measurements at rising load says: where the knee is, and how far the SLO holds.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "loadgen/run_result.h"

namespace millrace::loadgen {

struct SweepSummary {
  // The load with the greatest power: throughput over response time (Kleinrock, 1979). Below it
  // more load buys more throughput than it costs waiting; above it less.
  std::optional<std::size_t> knee;
  // The last load up to which every one met the SLO: `attainment` of all requests within it.
  std::optional<std::size_t> highest_within_slo;
  std::optional<std::size_t> peak;  // most output tokens a second
};

// Results in the order of rising load_level; those without a successful request are passed over.
SweepSummary summarise_sweep(std::span<const RunResult> results, double attainment);

// One line a load, with the knee and the highest load within the SLO marked.
std::string format_sweep(std::span<const RunResult> results, const SweepSummary& summary,
                         double attainment);
json::object sweep_json(std::span<const RunResult> results, const SweepSummary& summary,
                        double attainment);

}  // namespace millrace::loadgen
