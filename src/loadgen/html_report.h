// The report: one HTML file with everything inside (style, SVG plots), no scripts, readable
// offline.
#pragma once

#include <span>
#include <string>

#include "loadgen/run_result.h"
#include "loadgen/sweep.h"

namespace millrace::loadgen {

// Several runs side by side; ratios against the first.
std::string html_report(std::span<const RunResult> results);

// A sweep: throughput and latencies over the load, then the table of all loads.
std::string html_sweep(std::span<const RunResult> results, const SweepSummary& summary,
                       double attainment);

}  // namespace millrace::loadgen
