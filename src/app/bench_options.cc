#include "app/bench_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include "app/cli.h"
#include "app/describe_cli.h"
#include "base/json.h"

namespace millrace::app {
namespace {

using loadgen::LengthDistribution;

// What `serve` and `sweep` are told about the load, as text until it is checked.
struct LoadWords {
  std::string url, model, api = "completions", api_key, preset, prompt, output, shared_prefix;
  std::string extra_json, label, json_file, html_file;
  std::int64_t requests = 0, warmup = -1, token_ids = 0;
  std::uint64_t seed = 1;
  double duration = 0, burstiness = 1, timeout = 600, temperature = 0, slo_ttft = 0, slo_tpot = 0;
  bool respect_eos = false, no_usage = false;
};

void add_load_options(CLI::App& command, LoadWords& words) {
  command.add_option("URL", words.url, "http://host:port of an OpenAI-compatible server.")
      ->required();
  command.add_option("--model", words.model, "Its name there. [the first listed]");
  command.add_option("--api", words.api, "Which of its two routes. [completions]")
      ->check(CLI::IsMember({"chat", "completions"}))
      ->type_name("");
  command
      .add_option("--api-key", words.api_key, "Sent as a bearer token. [MILLRACE_BENCH_API_KEY]")
      ->envname("MILLRACE_BENCH_API_KEY");
  command.add_option("--requests", words.requests, "How many; or give --duration.")
      ->check(CLI::Range(1, 100'000'000))
      ->type_name("N");
  command.add_option("--duration", words.duration, "Seconds in which requests are sent. [30]")
      ->check(CLI::Range(0.1, 1e6))
      ->type_name("S");
  command
      .add_option("--warmup", words.warmup, "Requests before, not counted. [1 a user, at most 8]")
      ->check(CLI::Range(0, 100'000))
      ->type_name("N");
  command.add_option("--preset", words.preset, "Lengths as of shared chats.")
      ->check(CLI::IsMember({"sharegpt"}))
      ->type_name("");
  command.add_option("--prompt", words.prompt,
                     "Tokens: N, uniform:A-B, lognormal:MEDIAN,SIGMA[,A,B]. [128]");
  command.add_option("--output", words.output, "Output tokens, likewise. [64]");
  command.add_option("--shared-prefix", words.shared_prefix,
                     "TOKENS[:GROUPS] before each prompt, the same within a group.");
  command
      .add_option("--token-ids", words.token_ids,
                  "Prompts are random ids below N instead of text (completions).")
      ->check(CLI::Range(2, 10'000'000))
      ->type_name("N");
  command
      .add_option("--burstiness", words.burstiness,
                  "Of open-loop gaps: 1 Poisson, less is burstier. [1]")
      ->check(CLI::Range(0.001, 1000.0))
      ->type_name("X");
  command.add_option("--seed", words.seed, "Of lengths, prompts and arrivals. [1]")->type_name("N");
  command.add_option("--temperature", words.temperature, "[0]")->type_name("X");
  command.add_flag("--respect-eos", words.respect_eos, "Let answers end early.");
  command.add_flag("--no-usage", words.no_usage, "Do not ask for usage; count pieces of text.");
  command.add_option("--extra-json", words.extra_json, "Fields added to every body.")
      ->type_name("OBJECT");
  command.add_option("--timeout", words.timeout, "Of one request. [600]")->type_name("S");
  command.add_option("--slo-ttft-ms", words.slo_ttft, "Goodput: first token within.")
      ->type_name("MS");
  command.add_option("--slo-tpot-ms", words.slo_tpot, "Goodput: time per output token within.")
      ->type_name("MS");
  command.add_option("--label", words.label, "What reports call this. [the model]");
  command.add_option("--json", words.json_file, "Write the figures there.")->type_name("FILE");
  command.add_option("--html", words.html_file, "Write a report there.")->type_name("FILE");
}

Status set_lengths(const LoadWords& words, loadgen::WorkloadOptions& to) {
  if (words.preset == "sharegpt") {
    to.prompt = loadgen::sharegpt_prompts();
    to.output = loadgen::sharegpt_outputs();
  }
  const auto set = [](const std::string& text, const char* name,
                      LengthDistribution& target) -> Status {
    if (text.empty()) return {};
    auto lengths = LengthDistribution::parse(text, name);
    if (!lengths) return pass(lengths);
    target = std::move(*lengths);
    return {};
  };
  if (Status done = set(words.prompt, "prompt", to.prompt); !done) return done;
  return set(words.output, "output", to.output);
}

Status set_prefix(const std::string& text, loadgen::WorkloadOptions& to) {
  if (text.empty()) return {};
  const std::size_t colon = text.find(':');
  const auto tokens = LengthDistribution::parse(text.substr(0, colon), "shared-prefix");
  const auto groups = colon == std::string::npos
                          ? LengthDistribution::fixed(1)
                          : LengthDistribution::parse(text.substr(colon + 1), "shared-prefix");
  if (!tokens || !groups)
    return invalid(fmt::format("--shared-prefix \"{}\": expected TOKENS or TOKENS:GROUPS", text));
  to.prefix_tokens = tokens->max();
  to.prefix_groups = groups->max();
  return {};
}

Result<BenchLoad> read_load(const LoadWords& words) {
  BenchLoad load;
  auto target = loadgen::parse_target(words.url);
  if (!target) return pass(target);
  load.target = std::move(*target);
  loadgen::WorkloadOptions& workload = load.workload;
  workload.model = words.model;
  workload.api = words.api == "chat" ? loadgen::Api::chat : loadgen::Api::completions;
  workload.seed = words.seed;
  workload.token_id_limit = static_cast<int>(words.token_ids);
  workload.temperature = words.temperature;
  workload.ignore_eos = !words.respect_eos;
  workload.want_usage = !words.no_usage;
  if (words.token_ids > 0 && workload.api == loadgen::Api::chat)
    return invalid("--token-ids: chat takes text only; use --api completions");
  if (Status done = set_lengths(words, workload); !done) return pass(done);
  if (Status done = set_prefix(words.shared_prefix, workload); !done) return pass(done);
  if (!words.extra_json.empty()) {
    auto extra = parse_json(words.extra_json);
    if (!extra || !extra->is_object()) return invalid("--extra-json: not a JSON object");
    workload.extra = std::move(extra->as_object());
  }
  load.shape.max_requests = words.requests;
  load.shape.duration_seconds = words.requests > 0   ? words.duration
                                : words.duration > 0 ? words.duration
                                                     : 30;
  load.shape.burstiness = words.burstiness;
  load.shape.timeout_seconds = words.timeout;
  load.shape.api_key = words.api_key;
  load.slo = {.ttft_ms = words.slo_ttft, .tpot_ms = words.slo_tpot};
  load.label = words.label;
  load.json_file = words.json_file;
  load.html_file = words.html_file;
  load.warmup = words.warmup;
  return load;
}

struct AllOptions {
  LoadWords serve_words, sweep_words;
  std::int64_t users = 0;
  double rate = 0;
  BenchSweep sweep;
  BenchReport report;
  BenchThroughput throughput;
  BenchKernels kernels;
  BenchAccuracy accuracy;
  BenchTokenizer tokenizer;
};

// What the commands that load a model here share.
template <class Command>
void add_model_options(CLI::App& command, Command& to) {
  command.add_option("--threads", to.threads, "Compute threads. [one a core]")->type_name("N");
  command.add_option("--cpu-isa", to.cpu_isa, "Kernels by name. [auto]")->type_name("NAME");
  command.add_option("--precision", to.precision, "exact, default or fast. [default]")
      ->type_name("WORD");
  command.add_option("--kv-cache-dtype", to.kv_cache_dtype, "auto, f32, bf16 or int8. [auto]")
      ->type_name("WORD");
  command
      .add_option("--quantization", to.quantization,
                  "Float weights to bf16, int8, int4, int4-g32, -g64, -g128. [none]")
      ->type_name("WORD");
  command.add_option("--json", to.json_file, "Write the figures there.")->type_name("FILE");
}

CLI::App* add_serve(CLI::App& bench, AllOptions& all) {
  CLI::App* serve = bench.add_subcommand("serve", "Load a running server and measure it.");
  add_load_options(*serve, all.serve_words);
  auto* users = serve->add_option("--users", all.users, "Closed loop: so many users. [8]")
                    ->check(CLI::Range(1, 100'000))
                    ->type_name("N");
  serve->add_option("--rate", all.rate, "Open loop instead: requests a second.")
      ->check(CLI::Range(1e-6, 1e6))
      ->excludes(users)
      ->type_name("X");
  return serve;
}

CLI::App* add_sweep(CLI::App& bench, AllOptions& all) {
  CLI::App* sweep = bench.add_subcommand(
      "sweep", "Raise the load step by step: the knee, the most within the SLO.");
  add_load_options(*sweep, all.sweep_words);
  auto* users = sweep->add_option("--users", all.sweep.users, "Closed loop: 1,2,4,…")
                    ->delimiter(',')
                    ->allow_extra_args(false)
                    ->check(CLI::Range(1, 100'000))
                    ->type_name("N,…");
  sweep->add_option("--rate", all.sweep.rates, "Open loop instead: requests a second, 1,2,4,…")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1e-6, 1e6))
      ->excludes(users)
      ->type_name("X,…");
  sweep
      ->add_option("--slo-attainment", all.sweep.attainment,
                   "Share of requests that must meet the SLO. [0.99]")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("X");
  return sweep;
}

CLI::App* add_report(CLI::App& bench, AllOptions& all) {
  CLI::App* report = bench.add_subcommand("report", "Several results side by side.");
  report->add_option("FILES", all.report.files, "What `bench serve --json` wrote.")->required();
  report->add_option("--html", all.report.html_file, "Write a report there.")->type_name("FILE");
  return report;
}

CLI::App* add_throughput(CLI::App& bench, AllOptions& all) {
  BenchThroughput& to = all.throughput;
  CLI::App* command =
      bench.add_subcommand("throughput", "A model in this process: prefill and decode speed.");
  command->add_option("MODEL", to.model, "Model folder, file, or name below models/.")->required();
  const auto list = [&](const char* name, std::vector<int>& target, const char* help) {
    command->add_option(name, target, help)
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(CLI::Range(1, 1 << 20))
        ->type_name("N,…");
  };
  list("--prompt", to.prompts, "Prompt tokens. [512]");
  list("--generate", to.generates, "Tokens to make. [128]");
  list("--batch", to.batches, "Sequences at once. [1]");
  command->add_option("--repeat", to.repeat, "Runs of each; the median counts. [5]")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  command->add_option("--only", to.only, "prefill or decode; the other is not measured.")
      ->check(CLI::IsMember({"prefill", "decode"}))
      ->type_name("");
  add_model_options(*command, to);
  command->add_flag("--markdown", to.markdown, "Print a Markdown table.");
  return command;
}

CLI::App* add_kernels(CLI::App& bench, AllOptions& all) {
  BenchKernels& to = all.kernels;
  CLI::App* command = bench.add_subcommand(
      "kernels", "Single operations against the most that this machine can do.");
  command
      ->add_option("--shapes", to.shapes,
                   "NxK,… or smollm2-135m, qwen2.5-0.5b, llama-3.2-1b. [qwen2.5-0.5b]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("SHAPE,…");
  command->add_option("--kinds", to.kinds, "Weight kinds. [f32,bf16,q8_0,q4_0,q4_k]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("KIND,…");
  command->add_option("--rows", to.rows, "Rows of activations (M). [1,8,32,512]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 65536))
      ->type_name("N,…");
  command
      ->add_option("--contexts", to.contexts, "Positions that a token attends to. [512,4096,32768]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N,…");
  command->add_option("--batches", to.batches, "Sequences in attention. [1,8,32]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1024))
      ->type_name("N,…");
  command->add_option("--only", to.only, "products or attention. [both]")->type_name("WORD");
  command->add_option("--seconds", to.seconds, "Of each measurement. [0.2]")
      ->check(CLI::Range(0.001, 60.0))
      ->type_name("S");
  command->add_option("--threads", to.threads, "Compute threads. [one a core]")->type_name("N");
  command->add_option("--cpu-isa", to.cpu_isa, "Kernels by name. [auto]")->type_name("NAME");
  command->add_option("--precision", to.precision, "exact, default or fast. [default]")
      ->type_name("WORD");
  command->add_option("--json", to.json_file, "Write the figures there.")->type_name("FILE");
  return command;
}

CLI::App* add_accuracy(CLI::App& bench, AllOptions& all) {
  BenchAccuracy& to = all.accuracy;
  CLI::App* command = bench.add_subcommand(
      "accuracy", "What rounding costs: divergence from the exact model on a text.");
  command->add_option("MODEL", to.model, "Model folder, file, or name below models/.")->required();
  command->add_option("--text", to.text_file, "Plain text to read.")->required()->type_name("FILE");
  command->add_option("--exact-model", to.exact_model, "What is right. [MODEL]")
      ->type_name("MODEL");
  const auto number = [&](const char* name, int& target, int least, const char* help) {
    command->add_option(name, target, help)->check(CLI::Range(least, 1 << 20))->type_name("N");
  };
  number("--tokens", to.tokens, 1, "Of the text, at most. [20000]");
  number("--context", to.context, 2, "Tokens of a window; each starts anew. [512]");
  number("--chunk", to.chunk, 1, "Tokens read at once; 1 is as when decoding. [128]");
  command->add_flag("--layers", to.layers, "Also how far each layer's output is from exact.");
  command
      ->add_option("--save-layers", to.layers_file,
                   "Write those of the first chunk there, for NumPy.")
      ->type_name("FILE");
  add_model_options(*command, to);
  return command;
}

CLI::App* add_tokenizer(CLI::App& bench, AllOptions& all) {
  BenchTokenizer& to = all.tokenizer;
  CLI::App* command =
      bench.add_subcommand("tokenizer", "How fast text becomes tokens, on one core.");
  command->add_option("MODELS", to.models, "Models, or tokenizer.json files.")->required();
  command->add_option("--text", to.text_file, "Plain text to read.")->required()->type_name("FILE");
  command->add_option("--seconds", to.seconds, "Of each measurement. [1]")
      ->check(CLI::Range(0.001, 600.0))
      ->type_name("S");
  command->add_option("--json", to.json_file, "Write the figures there.")->type_name("FILE");
  return command;
}

BenchExit refused(const std::string& message) {
  return {kExitUsage, "millrace bench: " + message + "\n"};
}

BenchCommandLine checked_serve(const AllOptions& all) {
  auto load = read_load(all.serve_words);
  if (!load) return refused(load.error().message);
  load->shape.rate = all.rate;
  load->shape.users = all.users > 0 ? static_cast<int>(all.users) : 8;
  return BenchServe{std::move(*load)};
}

BenchCommandLine checked_sweep(AllOptions& all) {
  auto load = read_load(all.sweep_words);
  if (!load) return refused(load.error().message);
  if (all.sweep.users.empty() && all.sweep.rates.empty())
    return refused("sweep needs --users 1,2,4,… or --rate 1,2,4,…");
  std::ranges::sort(all.sweep.users);
  std::ranges::sort(all.sweep.rates);
  all.sweep.load = std::move(*load);
  return std::move(all.sweep);
}

// Every kind with its options, and what they write to.
struct BenchLine {
  BenchLine() {
    bench.require_subcommand(1);
    bench.formatter(plain_formatter());
    bench.failure_message(usage_error);
    serve = add_serve(bench, all);
    sweep = add_sweep(bench, all);
    report = add_report(bench, all);
    throughput = add_throughput(bench, all);
    accuracy = add_accuracy(bench, all);
    tokenizer = add_tokenizer(bench, all);
    add_kernels(bench, all);
  }

  CLI::App bench{"Measures servers, models and kernels.", "millrace bench"};
  AllOptions all;
  const CLI::App *serve = nullptr, *sweep = nullptr, *report = nullptr, *throughput = nullptr,
                 *accuracy = nullptr, *tokenizer = nullptr;
};

}  // namespace

CommandTree describe_bench_commands() {
  const BenchLine line;
  return describe_cli(line.bench);
}

BenchCommandLine parse_bench_command_line(const std::vector<std::string>& args) {
  BenchLine line;
  auto& [bench, all, serve, sweep, report, throughput, accuracy, tokenizer] = line;
  try {
    bench.parse(std::vector<std::string>(args.rbegin(), args.rend()));  // it takes from the back
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    const int code = bench.exit(error, out, out);
    return BenchExit{code == 0 ? 0 : kExitUsage, out.str()};
  }
  if (serve->parsed()) return checked_serve(all);
  if (sweep->parsed()) return checked_sweep(all);
  if (report->parsed()) return std::move(all.report);
  if (throughput->parsed()) return std::move(all.throughput);
  if (accuracy->parsed()) return std::move(all.accuracy);
  if (tokenizer->parsed()) return std::move(all.tokenizer);
  return std::move(all.kernels);
}

}  // namespace millrace::app
