#include "loadgen/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/version.h"
#include "loadgen/figures.h"
#include "loadgen/svg_plot.h"

namespace millrace::loadgen {
namespace {

// Colours: Okabe and Ito's, told apart by people who see few of them; the light ones are darkened
// on white.
constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#1c2024;--dim:#60666d;--paper:#fff;--line:#e1e4e8;--good:#0a7a3d;--bad:#b42318;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b15a94;--c4:#a87400;--c5:#2a8fc4;--c6:#7a6f00;--c7:#444}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#9aa1a9;--paper:#16191d;--line:#2c3137;--good:#4cc38a;--bad:#ff8b7d;
--c0:#56b4e9;--c1:#ff9140;--c2:#2ed3a5;--c3:#e79cc9;--c4:#f0b429;--c5:#7cc7f2;--c6:#f0e442;--c7:#ccc}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1360px;margin:0 auto;padding:24px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px}p{margin:4px 0;color:var(--dim)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:20px}
figure{margin:0;border:1px solid var(--line);border-radius:8px;padding:12px}
figcaption{font-weight:600;margin-bottom:6px}
svg{width:100%;height:auto;display:block}svg text{fill:var(--dim);font:11px system-ui,sans-serif}
.grid{stroke:var(--line)}polyline{fill:none;stroke-width:2;stroke-linejoin:round}
.table{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}td.unit{color:var(--dim);text-align:left}
tr.group th{padding-top:14px;color:var(--dim);font-weight:600}
.ratio{color:var(--dim);font-size:13px}.good{color:var(--good)}.bad{color:var(--bad)}
.key{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
)";

std::string colour_rules() {
  std::string out;
  for (int i = 0; i < kPlotColours; ++i) {
    fmt::format_to(
        std::back_inserter(out),
        "polyline.s{0}{{stroke:var(--c{0})}}circle.s{0}{{fill:var(--c{0})}}.k{0}{{background:var("
        "--c{0})}}\n",
        i);
  }
  return out;
}

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}{}</style>\n</head>\n<body>\n{}"
      "<p>Made by millrace {}. TTFT and end-to-end times count from when a request was due.</p>\n"
      "</body>\n</html>\n",
      escape_html(title), kStyle, colour_rules(), body, escape_html(kVersion));
}

std::string figure(const PlotSpec& spec, std::span<const PlotSeries> series) {
  return fmt::format("<figure><figcaption>{}</figcaption>\n{}</figure>\n", escape_html(spec.title),
                     svg_plot(spec, series));
}

std::string key_of(std::size_t index, const std::string& label) {
  return fmt::format("<span class=\"key k{}\"></span>{}", index % kPlotColours, escape_html(label));
}

std::string cdf(const std::string& title, std::span<const RunResult> results,
                Summary RunResult::* summary) {
  std::vector<PlotSeries> series;
  for (const RunResult& r : results) {
    PlotSeries line{.name = r.label, .x = (r.*summary).quantiles, .y = {}};
    const auto steps = static_cast<double>(std::max<std::size_t>(line.x.size(), 2) - 1);
    for (std::size_t i = 0; i < line.x.size(); ++i)
      line.y.push_back(static_cast<double>(i) / steps * 100);
    series.push_back(std::move(line));
  }
  return figure({.title = title,
                 .x_label = "milliseconds",
                 .y_label = "% of all at most this",
                 .log_x = true,
                 .y_max = 100},
                series);
}

std::string over_time(const std::string& title, const std::string& y_label,
                      std::span<const RunResult> results, std::vector<double> Timeline::* values) {
  std::vector<PlotSeries> series;
  for (const RunResult& r : results) {
    PlotSeries line{.name = r.label, .x = {}, .y = r.timeline.*values};
    for (std::size_t i = 0; i < line.y.size(); ++i)
      line.x.push_back((static_cast<double>(i) + 0.5) * r.timeline.bucket_seconds);
    series.push_back(std::move(line));
  }
  return figure({.title = title, .x_label = "seconds", .y_label = y_label, .from_zero_x = true},
                series);
}

std::string ratio_text(const Figure& figure_of, const RunResult& r, const RunResult& first) {
  if (figure_of.better == Better::neither) return {};
  const double ours = figure_of.value(r), base = figure_of.value(first);
  if (!(ours > 0) || !(base > 0)) return {};
  const double ratio = ours / base;
  const bool good = (ratio > 1) == (figure_of.better == Better::more);
  const char* tone = std::abs(ratio - 1) < 0.02 ? "" : good ? " good" : " bad";
  return fmt::format(" <span class=\"ratio{}\">{:.2f}×</span>", tone, ratio);
}

std::string figures_table(std::span<const RunResult> results) {
  std::string out = "<div class=\"table\"><table>\n<tr><th></th>";
  for (std::size_t i = 0; i < results.size(); ++i)
    out += "<th>" + key_of(i, results[i].label) + "</th>";
  out += "<th></th></tr>\n";
  std::string group;
  for (const Figure& row : figures_of(results)) {
    if (row.group != group) {
      group = row.group;
      fmt::format_to(std::back_inserter(out),
                     "<tr class=\"group\"><th colspan=\"{}\">{}</th></tr>\n", results.size() + 2,
                     escape_html(group));
    }
    fmt::format_to(std::back_inserter(out), "<tr><td>{}</td>", escape_html(row.name));
    for (const RunResult& r : results) {
      fmt::format_to(std::back_inserter(out), "<td>{}{}</td>", format_figure(row.value(r)),
                     &r == results.data() ? "" : ratio_text(row, r, results.front()));
    }
    fmt::format_to(std::back_inserter(out), "<td class=\"unit\">{}</td></tr>\n",
                   escape_html(row.unit));
  }
  return out += "</table></div>\n";
}

// How each run was made, and what failed.
std::string conditions(std::span<const RunResult> results) {
  std::string out = "<h2>How it was measured</h2>\n<div class=\"table\"><table>\n";
  for (std::size_t i = 0; i < results.size(); ++i) {
    const RunResult& r = results[i];
    std::string load;
    for (const auto& [key, value] : r.load) {
      const std::string text =
          value.is_string() ? std::string(value.as_string()) : dump_json(value);
      fmt::format_to(std::back_inserter(load), "{}{} {}", load.empty() ? "" : ", ",
                     std::string(key), text);
    }
    fmt::format_to(std::back_inserter(out),
                   "<tr><td>{}</td><td class=\"unit\">{} · {} · {} · {}</td></tr>\n",
                   key_of(i, r.label), escape_html(r.model), escape_html(r.target),
                   escape_html(r.started), escape_html(load));
    for (const auto& [kind, count] : r.errors) {
      fmt::format_to(std::back_inserter(out),
                     "<tr><td></td><td class=\"unit bad\">{} failed: {}</td></tr>\n", count,
                     escape_html(kind));
    }
    if (!r.first_error.empty())
      out += "<tr><td></td><td class=\"unit bad\">first error: " + escape_html(r.first_error) +
             "</td></tr>\n";
    if (r.interrupted) out += "<tr><td></td><td class=\"unit bad\">interrupted</td></tr>\n";
  }
  return out += "</table></div>\n";
}

PlotSeries over_load(std::string name, std::span<const RunResult> results,
                     const std::function<double(const RunResult&)>& value) {
  PlotSeries line{.name = std::move(name), .x = {}, .y = {}, .dots = true};
  for (const RunResult& r : results) {
    line.x.push_back(r.load_level);
    line.y.push_back(value(r));
  }
  return line;
}

std::string percentiles_over_load(const std::string& title, const std::string& x_label,
                                  std::span<const RunResult> results,
                                  Summary RunResult::* summary) {
  const std::vector<PlotSeries> series = {
      over_load("p50", results, [&](const RunResult& r) { return (r.*summary).p50; }),
      over_load("p99", results, [&](const RunResult& r) { return (r.*summary).p99; })};
  return figure(
      {.title = title, .x_label = x_label, .y_label = "milliseconds", .from_zero_x = true}, series);
}

}  // namespace

std::string html_report(std::span<const RunResult> results) {
  std::string title = "Millrace benchmark";
  for (std::size_t i = 0; i < results.size(); ++i)
    title += (i == 0 ? ": " : " and ") + results[i].label;
  std::string body = "<h1>" + escape_html(title) + "</h1>\n";
  if (results.size() > 1) body += "<p>Ratios are against the first column.</p>\n";
  body += figures_table(results);
  body += "<h2>Latencies</h2>\n<div class=\"plots\">\n";
  body += cdf("Time to first token", results, &RunResult::ttft_ms);
  body += cdf("Inter-token latency", results, &RunResult::itl_ms);
  body += cdf("Time per output token", results, &RunResult::tpot_ms);
  body += cdf("End to end", results, &RunResult::e2e_ms);
  body += "</div>\n<h2>Over time</h2>\n<div class=\"plots\">\n";
  body += over_time("Output tokens a second", "tokens/s", results, &Timeline::tokens_per_second);
  body += over_time("Requests under way", "requests", results, &Timeline::running);
  body += "</div>\n" + conditions(results);
  return page(title, body);
}

std::string html_sweep(std::span<const RunResult> results, const SweepSummary& summary,
                       double attainment) {
  const std::string unit = results.empty() ? "load" : results.front().load_unit;
  const std::string title = "Millrace sweep over " + unit;
  std::string body = "<h1>" + escape_html(title) + "</h1>\n";
  if (summary.knee)
    body += fmt::format("<p>Knee: {:g} {}.</p>\n", results[*summary.knee].load_level, unit);
  if (summary.highest_within_slo) {
    body += fmt::format("<p>Highest load with {:g} % of requests within the SLO: {:g} {}.</p>\n",
                        100 * attainment, results[*summary.highest_within_slo].load_level, unit);
  }
  body += "<div class=\"plots\">\n";
  const std::vector<PlotSeries> tokens = {
      over_load("output", results, [](const RunResult& r) { return r.output_tokens_per_second; })};
  body += figure({.title = "Output tokens a second",
                  .x_label = unit,
                  .y_label = "tokens/s",
                  .from_zero_x = true},
                 tokens);
  body +=
      percentiles_over_load("Time to first token: p50 and p99", unit, results, &RunResult::ttft_ms);
  body += percentiles_over_load("Time per output token: p50 and p99", unit, results,
                                &RunResult::tpot_ms);
  const bool slo = !results.empty() && results.front().slo.any();
  if (slo) {
    const std::vector<PlotSeries> within = {
        over_load("within", results, [](const RunResult& r) { return 100 * r.slo_attainment; })};
    body += figure({.title = "Requests within the SLO",
                    .x_label = unit,
                    .y_label = "%",
                    .y_max = 100,
                    .from_zero_x = true},
                   within);
  }
  body += "</div>\n<h2>Figures</h2>\n" + figures_table(results) + conditions(results);
  return page(title, body);
}

}  // namespace millrace::loadgen
