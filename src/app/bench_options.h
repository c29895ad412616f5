// The command line of `millrace bench …`: names CLI11.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "app/command_tree.h"
#include "base/result.h"
#include "loadgen/load_run.h"
#include "loadgen/run_result.h"
#include "loadgen/target.h"
#include "loadgen/workload.h"

namespace millrace::app {

// A load on a server, and where the figures go.
struct BenchLoad {
  loadgen::Target target;
  loadgen::WorkloadOptions workload;
  loadgen::LoadShape shape;
  loadgen::Slo slo;
  std::string label;  // empty: the model's name
  std::string json_file, html_file;
  std::int64_t warmup = -1;  // -1: chosen by the users
};
struct BenchServe {
  BenchLoad load;
};
struct BenchSweep {
  BenchLoad load;
  std::vector<double> users, rates;  // one of them is given
  double attainment = 0.99;
};
struct BenchReport {
  std::vector<std::string> files;
  std::string html_file;
};
struct BenchThroughput {
  std::string model;
  std::vector<int> prompts{512}, generates{128}, batches{1};
  int threads = 0;
  int repeat = 5;
  std::string cpu_isa = "auto", precision = "default", kv_cache_dtype = "auto";
  std::string quantization = "none";
  std::string only;  // prefill or decode; empty: both
  std::string json_file;
  bool markdown = false;
};
// How far what is served is from what the weights say exactly.
struct BenchAccuracy {
  std::string model, exact_model;  // the latter empty: the same
  std::string text_file;
  int tokens = 20'000, context = 512, chunk = 128;
  int threads = 0;
  std::string cpu_isa = "auto", precision = "default", kv_cache_dtype = "auto";
  std::string quantization = "none";
  bool layers = false;
  std::string layers_file;
  std::string json_file;
};
struct BenchTokenizer {
  std::vector<std::string> models;
  std::string text_file;
  double seconds = 1;  // of each
  std::string json_file;
};
struct BenchKernels {
  std::vector<std::string> shapes, kinds;
  std::vector<int> rows{1, 8, 32, 512};
  std::vector<int> contexts{512, 4096, 32768}, batches{1, 8, 32};
  std::string only;  // products or attention; empty: both
  std::string cpu_isa = "auto", precision = "default";
  int threads = 0;
  double seconds = 0.2;  // of each measurement
  std::string json_file;
};
// Nothing to run: print `text` and end with this code.
struct BenchExit {
  int code = 0;
  std::string text;
};

using BenchCommandLine = std::variant<BenchServe, BenchSweep, BenchReport, BenchThroughput,
                                      BenchKernels, BenchAccuracy, BenchTokenizer, BenchExit>;

// `args`: what stands behind `millrace bench`.
BenchCommandLine parse_bench_command_line(const std::vector<std::string>& args);

// The same declarations as data.
CommandTree describe_bench_commands();

}  // namespace millrace::app
