// The figures of a result, named once: the terminal table and the HTML report show the same rows.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "loadgen/run_result.h"

namespace millrace::loadgen {

enum class Better : std::uint8_t { neither, more, less };

struct Figure {
  std::string group;  // "TTFT"
  std::string name;   // "TTFT p50"
  std::string unit;   // "ms"
  Better better = Better::neither;
  std::function<double(const RunResult&)> value;  // NaN: nothing to show
};

// All figures that at least one of the results has.
std::vector<Figure> figures_of(std::span<const RunResult> results);

// Three significant digits or whole numbers; "–" for NaN.
std::string format_figure(double value);

// One line a figure, one column a result. Ends with what went wrong, where anything did.
std::string format_table(std::span<const RunResult> results);

}  // namespace millrace::loadgen
