#include "loadgen/html_report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "loadgen/figures.h"
#include "loadgen/sample_results.h"
#include "loadgen/svg_plot.h"

namespace millrace::loadgen {
namespace {

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST(Figures, the_table_holds_each_figure_once) {
  const std::vector<RunResult> results = {sample_result("ours", 1), sample_result("theirs", 2)};
  const std::string table = format_table(results);
  for (const Figure& figure : figures_of(results)) {
    EXPECT_TRUE(holds(table, figure.name));
    EXPECT_TRUE(holds(table, format_figure(figure.value(results[1])))) << figure.name;
  }
  EXPECT_TRUE(holds(table, "1 of 21 requests failed: 1 timeout"));
}

TEST(Figures, what_was_not_measured_is_left_out) {
  const std::vector<RunResult> results = {make_result({}, {})};
  const std::string table = format_table(results);
  EXPECT_FALSE(holds(table, "TTFT"));
  EXPECT_FALSE(holds(table, "goodput"));
}

TEST(Figures, numbers_are_short) {
  EXPECT_EQ(format_figure(12), "12");
  EXPECT_EQ(format_figure(1234.5), "1234");
  EXPECT_EQ(format_figure(123.45), "123.5");
  EXPECT_EQ(format_figure(1.234), "1.23");
  EXPECT_EQ(format_figure(0.01234), "0.012");
  EXPECT_EQ(format_figure(NAN), "–");
}

TEST(HtmlReport, is_whole_and_alone) {
  const std::vector<RunResult> results = {sample_result("ours", 1), sample_result("theirs", 2)};
  const std::string html = html_report(results);
  for (const Figure& figure : figures_of(results))
    EXPECT_TRUE(holds(html, format_figure(figure.value(results[0])))) << figure.name;
  EXPECT_EQ(count(html, "<svg"), 6);
  EXPECT_EQ(count(html, "</svg>"), 6);
  EXPECT_FALSE(holds(html, "<script"));
  EXPECT_FALSE(holds(html, "href="));
  EXPECT_FALSE(holds(html, "src="));
  EXPECT_FALSE(holds(html, "url("));
  EXPECT_FALSE(holds(html, "nan"));
  EXPECT_TRUE(holds(html, "2.00×"));  // theirs takes twice as long
}

TEST(HtmlReport, words_of_a_server_are_only_words) {
  RunResult hostile = sample_result("<script>alert(1)</script>", 1);
  hostile.model = "\"><img src=x onerror=alert(1)>";
  hostile.first_error = "</table><script>";
  hostile.load["prompt"] = "<b>";
  hostile.errors["<i>"] = 1;
  const std::string html = html_report(std::vector{hostile});
  EXPECT_FALSE(holds(html, "<script"));
  EXPECT_FALSE(holds(html, "<img"));
  EXPECT_FALSE(holds(html, "<b>"));
  EXPECT_FALSE(holds(html, "<i>"));
}

TEST(HtmlReport, nothing_measured_still_makes_a_page) {
  const std::string html = html_report(std::vector{make_result({}, {})});
  EXPECT_TRUE(html.ends_with("</html>\n"));
  EXPECT_FALSE(holds(html, "nan"));
  EXPECT_FALSE(holds(html, "inf"));
}

TEST(SvgPlot, points_lie_where_the_axes_say) {
  const std::vector<PlotSeries> series = {{.name = "a", .x = {0, 10}, .y = {0, 100}}};
  const std::string svg =
      svg_plot({.title = "t", .x_label = "x", .y_label = "y", .y_max = 100}, series);
  EXPECT_TRUE(holds(svg, "points=\"62.0,256.0 626.0,12.0\"")) << svg;
}

TEST(SvgPlot, a_logarithmic_axis_spaces_decades_evenly) {
  const std::vector<PlotSeries> series = {{.name = "a", .x = {1, 10, 100}, .y = {0, 50, 100}}};
  const std::string svg =
      svg_plot({.title = "t", .x_label = "x", .y_label = "y", .log_x = true, .y_max = 100}, series);
  EXPECT_TRUE(holds(svg, "62.0,256.0 344.0,134.0 626.0,12.0")) << svg;
}

TEST(SvgPlot, ticks_are_round) {
  EXPECT_EQ(linear_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(linear_ticks(0, 97, 5), (std::vector<double>{0, 20, 40, 60, 80, 100}));
  EXPECT_EQ(log_ticks(3, 150), (std::vector<double>{5, 10, 20, 50, 100}));
  EXPECT_EQ(log_ticks(1, 10'000), (std::vector<double>{1, 10, 100, 1000, 10000}));
  EXPECT_EQ(linear_ticks(5, 5, 5).size(), 1U);
}

}  // namespace
}  // namespace millrace::loadgen
