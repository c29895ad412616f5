// `millrace bench`: dispatch, and the commands that load a server. Each returns the exit status: 1
// when nothing could be measured.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/bench_options.h"

namespace millrace::app {

int bench_command(const std::vector<std::string>& args);

int bench_serve(BenchServe command);
int bench_sweep(BenchSweep command);
int bench_report(const BenchReport& command);
int bench_throughput(const BenchThroughput& command);
int bench_kernels(const BenchKernels& command);
int bench_accuracy(const BenchAccuracy& command);
int bench_tokenizer(const BenchTokenizer& command);

// A folder or file, else the name of one below models/.
std::filesystem::path bench_model_path(const std::string& model);
// Prints the error as every command does; 1.
int bench_failed(const Error& error);
// An empty name does nothing. The file appears whole or not at all.
Status write_whole_file(const std::string& file, const std::string& text);

}  // namespace millrace::app
