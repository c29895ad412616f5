#include "loadgen/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace millrace::loadgen {
namespace {

constexpr double kWidth = 640, kHeight = 300;
constexpr double kLeft = 62, kRight = 14, kTop = 12, kBottom = 44;

std::string tick_text(double value) {
  return fmt::format("{:.6g}", std::abs(value) < 1e-12 ? 0.0 : value);
}

// Data to pixels.
class Axes {
 public:
  Axes(const PlotSpec& spec, std::span<const PlotSeries> series) : log_x_(spec.log_x) {
    double low = std::numeric_limits<double>::infinity(), high = -low, top = 0;
    for (const PlotSeries& line : series) {
      for (std::size_t i = 0; i < line.x.size(); ++i) {
        if (!std::isfinite(line.x[i]) || !std::isfinite(line.y[i])) continue;
        if (!log_x_ || line.x[i] > 0) {
          low = std::min(low, line.x[i]);
          high = std::max(high, line.x[i]);
        }
        top = std::max(top, line.y[i]);
      }
    }
    if (low > high) low = high = 1;
    if (spec.from_zero_x) low = 0;
    if (high <= low) high = low + std::max(std::abs(low), 1.0) * 0.1;
    if (log_x_ && high / low < 1.2) high = low * 1.2;
    x_low_ = low;
    x_high_ = high;
    y_ticks_ = linear_ticks(0, spec.y_max > 0 ? spec.y_max : (top > 0 ? top : 1), 5);
    y_high_ = spec.y_max > 0 ? spec.y_max : y_ticks_.back();
    x_ticks_ = log_x_ ? log_ticks(low, high) : linear_ticks(low, high, 7);
  }
  double x(double value) const {
    const double span = kWidth - kLeft - kRight;
    if (!log_x_) return kLeft + span * (value - x_low_) / (x_high_ - x_low_);
    const double clipped = std::max(value, x_low_);
    return kLeft + span * std::log(clipped / x_low_) / std::log(x_high_ / x_low_);
  }
  double y(double value) const {
    return kHeight - kBottom - (kHeight - kTop - kBottom) * value / y_high_;
  }
  bool shows_x(double value) const {
    return value >= x_low_ * (1 - 1e-9) && value <= x_high_ * (1 + 1e-9);
  }
  const std::vector<double>& x_ticks() const { return x_ticks_; }
  const std::vector<double>& y_ticks() const { return y_ticks_; }
  double y_high() const { return y_high_; }

 private:
  bool log_x_;
  double x_low_ = 0, x_high_ = 1, y_high_ = 1;
  std::vector<double> x_ticks_, y_ticks_;
};

void draw_axes(std::string& out, const PlotSpec& spec, const Axes& axes) {
  auto to = std::back_inserter(out);
  for (const double tick : axes.y_ticks()) {
    if (tick > axes.y_high() * (1 + 1e-9)) continue;
    const double y = axes.y(tick);
    fmt::format_to(to,
                   "<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
                   kLeft, kWidth - kRight, y, y);
    fmt::format_to(to, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kLeft - 6,
                   y + 4, tick_text(tick));
  }
  for (const double tick : axes.x_ticks()) {
    if (!axes.shows_x(tick)) continue;
    const double x = axes.x(tick);
    fmt::format_to(to,
                   "<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
                   x, x, kTop, kHeight - kBottom);
    fmt::format_to(to, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", x,
                   kHeight - kBottom + 16, tick_text(tick));
  }
  fmt::format_to(to, "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                 (kLeft + kWidth - kRight) / 2, kHeight - 8, escape_html(spec.x_label));
  fmt::format_to(
      to, "<text transform=\"translate(14 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (kTop + kHeight - kBottom) / 2, escape_html(spec.y_label));
}

void draw_series(std::string& out, const PlotSeries& line, const Axes& axes, std::size_t index) {
  auto to = std::back_inserter(out);
  const std::size_t colour = index % kPlotColours;
  std::string points, dots;
  for (std::size_t i = 0; i < std::min(line.x.size(), line.y.size()); ++i) {
    if (!std::isfinite(line.x[i]) || !std::isfinite(line.y[i])) continue;
    const double x = axes.x(line.x[i]), y = axes.y(std::clamp(line.y[i], 0.0, axes.y_high()));
    fmt::format_to(std::back_inserter(points), "{:.1f},{:.1f} ", x, y);
    if (line.dots)
      fmt::format_to(std::back_inserter(dots),
                     "<circle class=\"s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"><title>{}: {}, "
                     "{}</title></circle>",
                     colour, x, y, escape_html(line.name), tick_text(line.x[i]),
                     tick_text(line.y[i]));
  }
  if (!points.empty()) points.pop_back();
  fmt::format_to(to, "<polyline class=\"s{}\" points=\"{}\"><title>{}</title></polyline>{}\n",
                 colour, points, escape_html(line.name), dots);
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(count, 1);
  if (!(rough > 0) || !std::isfinite(rough)) return {low};
  const double ten = std::pow(10, std::floor(std::log10(rough)));
  const double part = rough / ten;
  const double step = ten * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
  std::vector<double> ticks;
  for (double at = std::floor(low / step) * step;
       at < high + step * (1 - 1e-9) && ticks.size() < 50; at += step)
    ticks.push_back(at);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const bool few = high / low < 1000;
  std::vector<double> ticks;
  for (double ten = std::pow(10, std::floor(std::log10(low))); ten <= high; ten *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      const double at = ten * step;
      if ((few || step == 1) && at >= low && at <= high) ticks.push_back(at);
    }
  }
  if (ticks.size() < 2) ticks = {low, high};
  return ticks;
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

std::string svg_plot(const PlotSpec& spec, std::span<const PlotSeries> series) {
  const Axes axes(spec, series);
  std::string out = fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\" "
      "xmlns=\"http://www.w3.org/2000/svg\">\n",
      kWidth, kHeight, escape_html(spec.title));
  draw_axes(out, spec, axes);
  for (std::size_t i = 0; i < series.size(); ++i) draw_series(out, series[i], axes, i);
  return out += "</svg>\n";
}

}  // namespace millrace::loadgen
