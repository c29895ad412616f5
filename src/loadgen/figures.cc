#include "loadgen/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace millrace::loadgen {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

using Value = std::function<double(const RunResult&)>;

void add_latency(std::vector<Figure>& figures, const std::string& group,
                 const Summary RunResult::* summary) {
  struct Part {
    const char* name;
    double Summary::* value;
  };
  for (const Part& part :
       {Part{"p50", &Summary::p50}, Part{"p90", &Summary::p90}, Part{"p95", &Summary::p95},
        Part{"p99", &Summary::p99}, Part{"mean", &Summary::mean}, Part{"max", &Summary::max}}) {
    const Value value = [summary, field = part.value](const RunResult& r) {
      return (r.*summary).count == 0 ? kNothing : (r.*summary).*field;
    };
    figures.push_back({group, group + " " + part.name, "ms", Better::less, value});
  }
}

void add_slo(std::vector<Figure>& figures) {
  const auto if_any = [](auto value) -> Value {
    return [value](const RunResult& r) { return r.slo.any() ? value(r) : kNothing; };
  };
  figures.push_back({"SLO", "within the SLO", "%", Better::more,
                     if_any([](const RunResult& r) { return 100 * r.slo_attainment; })});
  figures.push_back({"SLO", "goodput", "requests/s", Better::more,
                     if_any([](const RunResult& r) { return r.goodput; })});
}

std::size_t width_of(const std::string& text) {  // of UTF-8, in characters
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ') + text;
}
std::string left(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}

void append_errors(std::string& out, const RunResult& r) {
  if (r.interrupted)
    fmt::format_to(std::back_inserter(out), "{}: interrupted, figures are of what had ended\n",
                   r.label);
  if (r.num_ok == r.num_requests) return;
  fmt::format_to(std::back_inserter(out), "{}: {} of {} requests failed:", r.label,
                 r.num_requests - r.num_ok, r.num_requests);
  for (const auto& [kind, count] : r.errors)
    fmt::format_to(std::back_inserter(out), " {} {}", count, kind);
  fmt::format_to(std::back_inserter(out), "\n  the first: {}\n", r.first_error);
}

}  // namespace

std::vector<Figure> figures_of(std::span<const RunResult> results) {
  const auto number = [](auto member) -> Value {
    return [member](const RunResult& r) { return static_cast<double>(r.*member); };
  };
  std::vector<Figure> all = {
      {"Load", "requests", "", Better::neither, number(&RunResult::num_requests)},
      {"Load", "failed", "", Better::less,
       [](const RunResult& r) { return static_cast<double>(r.num_requests - r.num_ok); }},
      {"Load", "measured", "s", Better::neither, number(&RunResult::seconds)},
      {"Load", "prompt tokens", "", Better::neither, number(&RunResult::prompt_tokens)},
      {"Load", "of these cached", "", Better::neither, number(&RunResult::cached_tokens)},
      {"Load", "output tokens", "", Better::neither, number(&RunResult::output_tokens)},
      {"Throughput", "output", "tokens/s", Better::more,
       number(&RunResult::output_tokens_per_second)},
      {"Throughput", "prompt + output", "tokens/s", Better::more,
       number(&RunResult::total_tokens_per_second)},
      {"Throughput", "requests", "requests/s", Better::more,
       number(&RunResult::requests_per_second)}};
  add_latency(all, "TTFT", &RunResult::ttft_ms);
  add_latency(all, "inter-token", &RunResult::itl_ms);
  add_latency(all, "TPOT", &RunResult::tpot_ms);
  add_latency(all, "end to end", &RunResult::e2e_ms);
  add_slo(all);
  all.push_back({"Client", "client CPU", "µs/token", Better::neither,
                 number(&RunResult::client_cpu_us_per_token)});
  all.push_back({"Client", "client CPU", "% of a core", Better::neither,
                 [](const RunResult& r) { return 100 * r.client_cpu_fraction; }});
  all.push_back(
      {"Client", "sent late p99", "ms", Better::neither, number(&RunResult::client_lag_p99_ms)});
  std::erase_if(all, [&](const Figure& figure) {
    return std::ranges::all_of(results,
                               [&](const RunResult& r) { return std::isnan(figure.value(r)); });
  });
  return all;
}

std::string format_figure(double value) {
  if (std::isnan(value)) return "–";
  const double size = std::abs(value);
  if (value == std::floor(value) && size < 1e15) return fmt::format("{:.0f}", value);
  if (size >= 1000) return fmt::format("{:.0f}", value);
  if (size >= 100) return fmt::format("{:.1f}", value);
  return size >= 0.1 ? fmt::format("{:.2f}", value) : fmt::format("{:.2g}", value);
}

std::string format_table(std::span<const RunResult> results) {
  constexpr std::size_t kNameWidth = 18, kColumn = 12;
  std::vector<std::size_t> widths;
  std::string out = std::string(kNameWidth, ' ');
  for (const RunResult& r : results) {
    widths.push_back(std::max(kColumn, width_of(r.label) + 2));
    out += right(r.label, widths.back());
  }
  out += '\n';
  std::string group;
  for (const Figure& figure : figures_of(results)) {
    if (!group.empty() && figure.group != group) out += '\n';
    group = figure.group;
    out += left(figure.name, kNameWidth);
    for (std::size_t i = 0; i < results.size(); ++i)
      out += right(format_figure(figure.value(results[i])), widths[i]);
    out += figure.unit.empty() ? "\n" : "  " + figure.unit + "\n";
  }
  for (const RunResult& r : results) append_errors(out, r);
  return out;
}

}  // namespace millrace::loadgen
