#include "app/bench_options.h"

#include <gtest/gtest.h>

#include "app/cli.h"

namespace millrace::app {
namespace {

template <class Command>
Command parsed(const std::vector<std::string>& args) {
  const BenchCommandLine command = parse_bench_command_line(args);
  if (const auto* exit = std::get_if<BenchExit>(&command)) ADD_FAILURE() << exit->text;
  const auto* wanted = std::get_if<Command>(&command);
  EXPECT_NE(wanted, nullptr);
  return wanted ? *wanted : Command{};
}

BenchExit refused(const std::vector<std::string>& args) {
  const BenchCommandLine command = parse_bench_command_line(args);
  const auto* exit = std::get_if<BenchExit>(&command);
  EXPECT_NE(exit, nullptr);
  return exit ? *exit : BenchExit{};
}

TEST(BenchOptions, serve_has_sane_defaults) {
  const BenchLoad load = parsed<BenchServe>({"serve", "http://127.0.0.1:8000"}).load;
  EXPECT_EQ(load.target.port, 8000);
  EXPECT_EQ(load.shape.users, 8);
  EXPECT_EQ(load.shape.duration_seconds, 30);
  EXPECT_EQ(load.shape.max_requests, 0);
  EXPECT_TRUE(load.workload.ignore_eos);
}

TEST(BenchOptions, serve_takes_an_open_loop) {
  const BenchLoad load =
      parsed<BenchServe>({"serve", "http://h:1", "--rate", "3.5", "--burstiness", "0.5",
                          "--requests", "100", "--api", "chat", "--prompt", "uniform:5-9",
                          "--shared-prefix", "256:4", "--slo-ttft-ms", "200", "--extra-json",
                          R"({"top_k":3})"})
          .load;
  EXPECT_EQ(load.shape.rate, 3.5);
  EXPECT_EQ(load.shape.burstiness, 0.5);
  EXPECT_EQ(load.shape.max_requests, 100);
  EXPECT_EQ(load.shape.duration_seconds, 0);
  EXPECT_EQ(load.workload.api, loadgen::Api::chat);
  EXPECT_EQ(load.workload.prompt.text(), "uniform:5-9");
  EXPECT_EQ(load.workload.prefix_tokens, 256);
  EXPECT_EQ(load.workload.prefix_groups, 4);
  EXPECT_EQ(load.slo.ttft_ms, 200);
  EXPECT_EQ(load.workload.extra.at("top_k"), 3);
}

TEST(BenchOptions, a_preset_sets_lengths_that_flags_still_change) {
  const BenchLoad load =
      parsed<BenchServe>({"serve", "h:1", "--preset", "sharegpt", "--output", "10"}).load;
  EXPECT_EQ(load.workload.prompt.text(), loadgen::sharegpt_prompts().text());
  EXPECT_EQ(load.workload.output.text(), "10");
}

TEST(BenchOptions, sweeps_rise) {
  const BenchSweep sweep = parsed<BenchSweep>({"sweep", "h:1", "--users", "4,1,2"});
  EXPECT_EQ(sweep.users, (std::vector<double>{1, 2, 4}));
}

TEST(BenchOptions, offline_commands_take_lists) {
  const BenchThroughput throughput =
      parsed<BenchThroughput>({"throughput", "m", "--batch", "1,8,32", "--prompt", "64"});
  EXPECT_EQ(throughput.batches, (std::vector<int>{1, 8, 32}));
  EXPECT_EQ(throughput.prompts, (std::vector<int>{64}));
  EXPECT_EQ(parsed<BenchKernels>({"kernels", "--rows", "1,4"}).rows, (std::vector<int>{1, 4}));
  EXPECT_EQ(parsed<BenchReport>({"report", "a", "b", "--html", "o"}).files.size(), 2U);
}

TEST(BenchOptions, wrong_words_are_usage_errors_that_name_them) {
  for (const auto& [args, word] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{}, "subcommand"},
           {{"serve"}, "URL"},
           {{"serve", "https://h"}, "TLS"},
           {{"serve", "h:1", "--prompt", "many"}, "--prompt"},
           {{"serve", "h:1", "--users", "2", "--rate", "3"}, "--rate"},
           {{"serve", "h:1", "--shared-prefix", "x"}, "--shared-prefix"},
           {{"serve", "h:1", "--extra-json", "[1]"}, "--extra-json"},
           {{"serve", "h:1", "--api", "chat", "--token-ids", "99"}, "--token-ids"},
           {{"sweep", "h:1"}, "--users"},
           {{"kernels", "--rows", "0"}, "--rows"}}) {
    const BenchExit exit = refused(args);
    EXPECT_EQ(exit.code, kExitUsage) << word;
    EXPECT_NE(exit.text.find(word), std::string::npos) << exit.text;
  }
}

TEST(BenchOptions, help_fits_a_screen) {
  for (const char* command : {"serve", "sweep", "report", "throughput", "kernels"}) {
    const BenchExit exit = refused({command, "--help"});
    EXPECT_EQ(exit.code, 0);
    EXPECT_LE(std::count(exit.text.begin(), exit.text.end(), '\n'), 50) << exit.text;
  }
}

TEST(BenchOptions, accuracy_and_tokenizer_need_a_text) {
  const auto accuracy = parsed<BenchAccuracy>(
      {"accuracy", "m", "--text", "t", "--quantization", "int8", "--chunk", "1"});
  EXPECT_EQ(accuracy.model, "m");
  EXPECT_EQ(accuracy.text_file, "t");
  EXPECT_EQ(accuracy.quantization, "int8");
  EXPECT_EQ(accuracy.chunk, 1);
  EXPECT_EQ(accuracy.context, 512);
  EXPECT_FALSE(accuracy.layers);
  const auto layers = parsed<BenchAccuracy>(
      {"accuracy", "m", "--text", "t", "--layers", "--save-layers", "layers.npy"});
  EXPECT_TRUE(layers.layers);
  EXPECT_EQ(layers.layers_file, "layers.npy");
  EXPECT_EQ(refused({"accuracy", "m"}).code, kExitUsage);
  const auto tokenizer = parsed<BenchTokenizer>({"tokenizer", "a", "b", "--text", "t"});
  EXPECT_EQ(tokenizer.models, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(refused({"tokenizer", "a"}).code, kExitUsage);
}

TEST(BenchOptions, throughput_measures_one_half_when_asked) {
  EXPECT_EQ(parsed<BenchThroughput>({"throughput", "m"}).only, "");
  EXPECT_EQ(parsed<BenchThroughput>({"throughput", "m", "--only", "decode"}).only, "decode");
  EXPECT_EQ(refused({"throughput", "m", "--only", "both"}).code, kExitUsage);
}

}  // namespace
}  // namespace millrace::app
