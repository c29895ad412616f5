#include "app/bench_command.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "base/file.h"
#include "loadgen/figures.h"
#include "loadgen/html_report.h"

namespace millrace::app {
namespace {

constexpr std::size_t kMaxResultBytes = std::size_t{64} << 20;

struct Execute {
  int operator()(BenchServe command) const { return bench_serve(std::move(command)); }
  int operator()(BenchSweep command) const { return bench_sweep(std::move(command)); }
  int operator()(const BenchReport& command) const { return bench_report(command); }
  int operator()(const BenchThroughput& command) const { return bench_throughput(command); }
  int operator()(const BenchKernels& command) const { return bench_kernels(command); }
  int operator()(const BenchAccuracy& command) const { return bench_accuracy(command); }
  int operator()(const BenchTokenizer& command) const { return bench_tokenizer(command); }
  int operator()(const BenchExit& command) const {
    fmt::print(command.code == 0 ? stdout : stderr, "{}", command.text);
    return command.code;
  }
};

Result<loadgen::RunResult> read_result(const std::string& file) {
  auto text = read_file(file, kMaxResultBytes);
  if (!text) return invalid(file + ": " + text.error().message);
  const auto value = parse_json(*text, {.max_bytes = kMaxResultBytes});
  if (!value) return invalid(file + ": " + value.error().message);
  auto result = loadgen::from_json(*value);
  if (!result) return invalid(file + ": " + result.error().message);
  return result;
}

}  // namespace

int bench_failed(const Error& error) {
  fmt::print(stderr, "millrace bench: {}\n", error.message);
  return 1;
}

std::filesystem::path bench_model_path(const std::string& model) {
  std::error_code ignored;
  if (std::filesystem::exists(model, ignored)) return model;
  return std::filesystem::path("models") / model;
}

Status write_whole_file(const std::string& file, const std::string& text) {
  if (file.empty()) return {};
  const std::filesystem::path part = file + ".part";
  std::error_code failed;
  if (!(std::ofstream(part, std::ios::binary) << text).flush())
    return invalid(file + " cannot be written");
  std::filesystem::rename(part, file, failed);
  if (failed) return invalid(file + ": " + failed.message());
  return {};
}

int bench_report(const BenchReport& command) {
  std::vector<loadgen::RunResult> results;
  for (const std::string& file : command.files) {
    auto result = read_result(file);
    if (!result) return bench_failed(result.error());
    results.push_back(std::move(*result));
  }
  fmt::print("{}", loadgen::format_table(results));
  if (Status done = write_whole_file(command.html_file, loadgen::html_report(results)); !done)
    return bench_failed(done.error());
  return 0;
}

int bench_command(const std::vector<std::string>& args) {
  return std::visit(Execute{}, parse_bench_command_line(args));
}

}  // namespace millrace::app
