#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <optional>
#include <utility>

#include "app/bench_command.h"
#include "loadgen/figures.h"
#include "loadgen/html_report.h"
#include "loadgen/server_probe.h"
#include "loadgen/sweep.h"

namespace millrace::app {
namespace {

using loadgen::LoadProgress;
using loadgen::RunResult;

constexpr int kMostWarmup = 8;

// Set by SIGINT: the run ends, and what was measured is shown.
std::atomic<bool> interrupted{false};

void watch_for_interrupt() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted.store(true, std::memory_order_relaxed); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one ends the process
  ::sigaction(SIGINT, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

// One line on a terminal, rewritten as the load goes on.
class ProgressLine {
 public:
  explicit ProgressLine(std::string name)
      : name_(std::move(name)), shown_(::isatty(STDERR_FILENO) != 0) {}
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }
  void show(const LoadProgress& p) {
    if (!shown_) return;
    if (p.warming_up) {
      fmt::print(stderr, "\r\x1b[K{}: warming up, {} under way", name_, p.num_in_flight);
    } else {
      const double rate =
          p.seconds - at_ > 0 ? static_cast<double>(p.num_tokens - tokens_) / (p.seconds - at_) : 0;
      fmt::print(stderr, "\r\x1b[K{}: {:.0f} s, {} done, {} under way, {} failed, {:.0f} tokens/s",
                 name_, p.seconds, p.num_done, p.num_in_flight, p.num_failed, rate);
      if (p.seconds - at_ >= 1) {
        at_ = p.seconds;
        tokens_ = p.num_tokens;
      }
    }
    std::fflush(stderr);
  }

 private:
  std::string name_;
  bool shown_;
  double at_ = 0;
  std::uint64_t tokens_ = 0;
};

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// A server that was reached and understood: ready to be loaded, several times if wanted.
class Bench {
 public:
  explicit Bench(BenchLoad load) : load_(std::move(load)) {}

  Status prepare() {
    auto peer = loadgen::find_peer(load_.target.host, load_.target.port, std::chrono::seconds(10));
    if (!peer) return pass(peer);
    peer_ = *peer;
    loadgen::ServerProbe probe(load_.target, load_.shape.api_key);
    if (load_.workload.model.empty()) {
      auto model = probe.first_model();
      if (!model) return pass(model);
      load_.workload.model = std::move(*model);
    }
    if (load_.label.empty()) load_.label = load_.workload.model;
    std::optional<loadgen::PromptMaker> maker;
    counting_ = "token ids";
    if (load_.workload.token_id_limit == 0) {
      auto made = probe.calibrate(load_.workload, counting_);
      if (!made) return pass(made);
      maker = std::move(*made);
      if (!maker->sums_hold())
        fmt::print(stderr,
                   "millrace bench: this tokenizer does not count text as the sum of its "
                   "words; prompt lengths are approximate\n");
    }
    maker_ = std::move(maker);
    return {};
  }

  // `step` counts the runs: each has prompts of its own, so that none finds another's in a cache.
  Result<RunResult> run(int users, double rate, std::uint64_t step) {
    loadgen::WorkloadOptions options = load_.workload;
    options.seed += step;
    const loadgen::Workload workload(std::move(options), maker_);
    loadgen::LoadShape shape = load_.shape;
    shape.users = users;
    shape.rate = rate;
    shape.warmup_requests = load_.warmup >= 0 ? static_cast<int>(load_.warmup)
                                              : std::min(std::max(users, 1), kMostWarmup);
    const std::string name =
        rate > 0 ? fmt::format("{:g} requests/s", rate) : fmt::format("{} users", users);
    const std::string started = utc_now();
    Result<loadgen::LoadLog> log = [&] {
      ProgressLine line(name);
      return loadgen::run_load(
          load_.target, peer_, workload, shape,
          {.progress = [&](const LoadProgress& p) { line.show(p); }, .stop = &interrupted});
    }();
    if (!log) return pass(log);
    RunResult result = loadgen::make_result(*log, load_.slo);
    result.label = load_.label;
    result.started = started;
    result.target = load_.target.url();
    result.model = load_.workload.model;
    result.api = load_.workload.api == loadgen::Api::chat ? "chat" : "completions";
    result.load_level = rate > 0 ? rate : users;
    result.load_unit = rate > 0 ? "requests/s" : "users";
    result.load = describe(shape);
    warn(result);
    return result;
  }

  const BenchLoad& load() const { return load_; }

 private:
  json::object describe(const loadgen::LoadShape& shape) const {
    json::object out;
    if (shape.rate > 0) {
      out["rate"] = shape.rate;
      out["burstiness"] = shape.burstiness;
    } else {
      out["users"] = shape.users;
    }
    if (shape.max_requests > 0) out["requests"] = shape.max_requests;
    if (shape.duration_seconds > 0) out["duration"] = shape.duration_seconds;
    out["warmup"] = shape.warmup_requests;
    out["prompt"] = load_.workload.prompt.text();
    out["output"] = load_.workload.output.text();
    if (load_.workload.prefix_tokens > 0) {
      out["shared_prefix_tokens"] = load_.workload.prefix_tokens;
      out["shared_prefix_groups"] = load_.workload.prefix_groups;
    }
    out["prompts_counted_by"] = counting_;
    out["ignore_eos"] = load_.workload.ignore_eos;
    out["temperature"] = load_.workload.temperature;
    out["seed"] = load_.workload.seed;
    return out;
  }

  static void warn(const RunResult& result) {
    if (result.client_cpu_fraction > 0.9)
      fmt::print(stderr,
                 "millrace bench: the client itself was busy {:.0f} % of the time; its "
                 "latencies may be its own\n",
                 100 * result.client_cpu_fraction);
    if (result.num_inexact_prompts > 0)
      fmt::print(stderr,
                 "millrace bench: the server counted {} of {} prompts otherwise than "
                 "planned\n",
                 result.num_inexact_prompts, result.num_ok);
  }

  BenchLoad load_;
  loadgen::PeerAddress peer_;
  std::string counting_;
  std::optional<loadgen::PromptMaker> maker_;
};

Status write_outputs(const BenchLoad& load, const json::object& figures, const std::string& html) {
  if (Status done = write_whole_file(load.json_file, dump_json(figures) + "\n"); !done) return done;
  return write_whole_file(load.html_file, html);
}

}  // namespace

int bench_serve(BenchServe command) {
  watch_for_interrupt();
  const loadgen::LoadShape shape = command.load.shape;
  Bench bench(std::move(command.load));
  if (Status ready = bench.prepare(); !ready) return bench_failed(ready.error());
  auto result = bench.run(shape.users, shape.rate, 0);
  if (!result) return bench_failed(result.error());
  const std::vector<RunResult> results = {std::move(*result)};
  fmt::print("{}", loadgen::format_table(results));
  if (Status done = write_outputs(bench.load(), to_json(results[0]), loadgen::html_report(results));
      !done)
    return bench_failed(done.error());
  return results[0].num_ok > 0 ? 0 : 1;
}

int bench_sweep(BenchSweep command) {
  watch_for_interrupt();
  Bench bench(std::move(command.load));
  if (Status ready = bench.prepare(); !ready) return bench_failed(ready.error());
  const bool open_loop = !command.rates.empty();
  std::vector<RunResult> results;
  for (const double level : open_loop ? command.rates : command.users) {
    if (interrupted) break;
    auto result = open_loop ? bench.run(1, level, results.size())
                            : bench.run(static_cast<int>(level), 0, results.size());
    if (!result) return bench_failed(result.error());
    result->label = fmt::format("{:g} {}", level, result->load_unit);
    fmt::print(stderr, "{}: {} output tokens/s\n", result->label,
               loadgen::format_figure(result->output_tokens_per_second));
    results.push_back(std::move(*result));
  }
  const auto summary = loadgen::summarise_sweep(results, command.attainment);
  fmt::print("{}", loadgen::format_sweep(results, summary, command.attainment));
  const Status done =
      write_outputs(bench.load(), loadgen::sweep_json(results, summary, command.attainment),
                    loadgen::html_sweep(results, summary, command.attainment));
  if (!done) return bench_failed(done.error());
  return summary.knee ? 0 : 1;
}

}  // namespace millrace::app
