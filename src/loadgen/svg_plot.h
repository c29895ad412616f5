// Line plots as SVG text, made by hand: no script, no font, nothing from elsewhere. Colours are CSS
// classes s0 … s7 that the page defines, so that one plot serves light and dark.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::loadgen {

struct PlotSeries {
  std::string name;
  std::vector<double> x, y;  // equally long; points that are not finite are left out
  bool dots = false;         // marks the points
};

struct PlotSpec {
  std::string title;  // also what a screen reader is told
  std::string x_label, y_label;
  bool log_x = false;  // x > 0; others are drawn at the left edge
  double y_max = 0;    // 0: from the data
  bool from_zero_x = false;
};

inline constexpr int kPlotColours = 8;

std::string svg_plot(const PlotSpec& spec, std::span<const PlotSeries> series);

// Round numbers covering [low, high]: steps of 1, 2 or 5 × 10^n, about `count` of them.
std::vector<double> linear_ticks(double low, double high, int count);
// Powers of ten within [low, high], with 2 and 5 where there are few.
std::vector<double> log_ticks(double low, double high);

// &, <, >, " and ' escaped, control characters dropped: safe as text and as an attribute.
std::string escape_html(std::string_view text);

}  // namespace millrace::loadgen
