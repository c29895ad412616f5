#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <utility>

#include "app/backends.h"
#include "app/bench_command.h"
#include "app/progress_bar.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/version.h"
#include "servable/servable.h"

namespace millrace::app {
namespace {

// The model behind the same contract and engine that the server uses, so that scheduling and
// sampling are in the figures, as users get them; HTTP, templates and text are not.
class Offline {
 public:
  Result<const ModelDescription*> load(const BenchThroughput& command, int batch, int context) {
    ModelSpec spec;
    spec.path = bench_model_path(command.model);
    spec.name = spec.path.stem().string();
    spec.cpu_isa = command.cpu_isa;
    spec.precision = command.precision;
    spec.kv_cache_dtype = command.kv_cache_dtype;
    spec.quantization = command.quantization;
    spec.max_model_len = context;
    spec.max_num_seqs = batch;
    spec.max_num_queued = 2 * batch;
    spec.num_threads = command.threads;
    spec.kv_cache_bytes = std::int64_t{4} << 30;
    for (const auto& backend : backends_) {
      if (!backend->recognises(spec)) continue;
      ProgressBar bar(stderr, ::isatty(STDERR_FILENO) != 0);
      LoadContext load_context{
          metrics_, [&](double done, const std::string& what) { bar.show(spec.name, what, done); }};
      auto loaded = backend->load(spec, load_context);
      if (!loaded) return pass(loaded);
      model_ = std::move(*loaded);
      if (!model_->generator()) return invalid(spec.name + " does not generate text");
      return &model_->describe();
    }
    return invalid(spec.path.string() + " is not a model that can be run here", "MODEL");
  }

  using Prompts = std::vector<std::vector<TokenId>>;
  Prompts random_prompts(int batch, int length);

  struct Times {
    double seconds = 0;         // until the last sequence has ended
    double decode_seconds = 0;  // from the last first token to the first end: all decode
    std::int64_t decoded = 0;   // tokens in that window
  };
  // A sequence a prompt, submitted at once; each makes `generate` tokens. What was read before of a
  // prompt is in the prefix cache.
  Result<Times> run(const Prompts& prompts, int generate);

 private:
  std::vector<std::unique_ptr<Backend>> backends_ = make_backends();
  Metrics metrics_;
  std::unique_ptr<Servable> model_;
  std::mt19937 random_{1};
};

// When each token of one sequence came. Filled on the engine's thread, read once all have ended.
struct Arrival {
  std::shared_ptr<TokenChannel> channel;
  std::vector<TimePoint> tokens;
};

class Collector {
 public:
  explicit Collector(int batch) : arrivals_(static_cast<std::size_t>(batch)), left_(batch) {}

  std::vector<Arrival>& arrivals() { return arrivals_; }
  // Listens until the channel ends; called again by the channel itself.
  void listen(Arrival& arrival) {
    arrival.channel->arm([this, &arrival] { take(arrival); });
  }
  Status wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return left_ == 0; });
    return status_;
  }

 private:
  void take(Arrival& arrival) {
    while (auto event = arrival.channel->try_pop()) {
      if (event->token >= 0) arrival.tokens.push_back(Clock::now());
      if (event->finish == FinishReason::none) continue;
      std::lock_guard lock(mutex_);
      if (event->finish == FinishReason::error) status_ = std::unexpected(event->error);
      if (--left_ == 0) ended_.notify_one();
      return;
    }
    if (arrival.channel->closed() && arrival.channel->size() == 0) {
      std::lock_guard lock(mutex_);
      status_ = fail(ErrorKind::internal, "the engine closed a channel without an end");
      if (--left_ == 0) ended_.notify_one();
      return;
    }
    listen(arrival);
  }

  std::vector<Arrival> arrivals_;
  std::mutex mutex_;
  std::condition_variable ended_;
  int left_;
  Status status_;
};

Offline::Prompts Offline::random_prompts(int batch, int length) {
  const int vocabulary = std::max(model_->describe().vocab_size, 2);
  std::uniform_int_distribution<TokenId> ids(0, vocabulary - 1);
  Prompts prompts(static_cast<std::size_t>(batch));
  for (std::vector<TokenId>& prompt : prompts) {
    for (int t = 0; t < length; ++t) prompt.push_back(ids(random_));
  }
  return prompts;
}

Result<Offline::Times> Offline::run(const Prompts& prompts, int generate) {
  Collector collector(static_cast<int>(prompts.size()));
  std::vector<GenerateRequest> requests(prompts.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = fmt::format("bench-{}", i);
    requests[i].prompt = prompts[i];
    requests[i].sampling.max_tokens = generate;
    requests[i].sampling.temperature = 0;
    requests[i].sampling.ignore_eos = true;
    Arrival& arrival = collector.arrivals()[i];
    arrival.channel = std::make_shared<TokenChannel>(static_cast<std::size_t>(generate) + 2);
    arrival.tokens.reserve(static_cast<std::size_t>(generate));
    collector.listen(arrival);
  }
  const TimePoint start = Clock::now();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].arrival = start;
    if (Status sent =
            model_->generator()->submit(std::move(requests[i]), collector.arrivals()[i].channel);
        !sent)
      return pass(sent);
  }
  if (Status done = collector.wait(); !done) return pass(done);
  TimePoint all_began = start, first_end = kNever, end = start;
  for (const Arrival& arrival : collector.arrivals()) {
    if (arrival.tokens.empty()) return fail(ErrorKind::internal, "a sequence made no token");
    all_began = std::max(all_began, arrival.tokens.front());
    first_end = std::min(first_end, arrival.tokens.back());
    end = std::max(end, arrival.tokens.back());
  }
  Times times{.seconds = seconds_between(start, end),
              .decode_seconds = seconds_between(all_began, first_end)};
  for (const Arrival& arrival : collector.arrivals()) {
    times.decoded += std::ranges::count_if(
        arrival.tokens, [&](TimePoint at) { return at > all_began && at <= first_end; });
  }
  return times;
}

struct Row {
  int batch, prompt, generate;
  double prefill, decode, total, seconds;  // tokens/s, medians; seconds a run
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// `only` leaves one kind of run out; its figures are 0. A run reads fresh prompts, one token each,
// so that no sequence decodes while another prefills; then it decodes the same ones, which are in
// the prefix cache by now, so that all sequences decode at once.
Result<Row> measure(Offline& model, int batch, int prompt, int generate,
                    const BenchThroughput& command) {
  std::vector<double> prefill, decode, total, seconds;
  for (int i = 0; i <= command.repeat; ++i) {  // the first is warm-up
    const Offline::Prompts prompts = model.random_prompts(batch, prompt);
    const auto read = model.run(prompts, 1);
    if (!read) return std::unexpected(read.error());
    double all_seconds = read->seconds;
    if (command.only != "decode" && i > 0) prefill.push_back(batch * prompt / read->seconds);
    if (command.only != "prefill") {
      const auto made = model.run(prompts, generate);
      if (!made) return std::unexpected(made.error());
      if (made->decoded > 0) {
        const double speed = static_cast<double>(made->decoded) / made->decode_seconds;
        all_seconds += batch * (generate - 1) / speed;
        if (i > 0) decode.push_back(speed);
      }
      if (i > 0) total.push_back(batch * (prompt + generate) / all_seconds);
    }
    if (i > 0) seconds.push_back(all_seconds);
  }
  return Row{batch,          prompt,        generate,       median(prefill),
             median(decode), median(total), median(seconds)};
}

void print_rows(const std::vector<Row>& rows, bool markdown) {
  constexpr const char* kNames[] = {"batch",        "prompt",      "generate", "prefill tok/s",
                                    "decode tok/s", "total tok/s", "seconds"};
  const char* edge = markdown ? "|" : "";
  const char* gap = markdown ? " |" : "";
  fmt::print("{}", edge);
  for (const char* name : kNames) fmt::print("{:>14}{}", name, gap);
  if (markdown) {
    fmt::print("\n|");
    for (std::size_t i = 0; i < std::size(kNames); ++i) fmt::print("--------------:|");
  }
  fmt::print("\n");
  for (const Row& row : rows) {
    fmt::print("{}{:>14}{}{:>14}{}{:>14}{}{:>14.1f}{}{:>14.2f}{}{:>14.1f}{}{:>14.3f}{}\n", edge,
               row.batch, gap, row.prompt, gap, row.generate, gap, row.prefill, gap, row.decode,
               gap, row.total, gap, row.seconds, gap);
  }
}

json::object rows_json(const BenchThroughput& command, const ModelDescription& model,
                       const std::vector<Row>& rows) {
  json::object out;
  out["millrace_bench"] = 1;
  out["kind"] = "throughput";
  out["version"] = kVersion;
  out["only"] = command.only;
  out["model"] = model.name;
  out["family"] = model.family;
  out["weights"] = model.weights;
  out["weight_bytes"] = model.weight_bytes;
  out["parameters"] = model.num_parameters;
  out["kernels"] = model.kernels;
  out["precision"] = command.precision;
  out["threads"] = command.threads;
  out["repeat"] = command.repeat;
  json::array list;
  for (const Row& row : rows) {
    list.push_back(json::object{{"batch", row.batch},
                                {"prompt", row.prompt},
                                {"generate", row.generate},
                                {"prefill_tokens_per_second", row.prefill},
                                {"decode_tokens_per_second", row.decode},
                                {"total_tokens_per_second", row.total},
                                {"seconds", row.seconds}});
  }
  out["rows"] = std::move(list);
  return out;
}

}  // namespace

int bench_throughput(const BenchThroughput& command) {
  set_log_level(LogLevel::warn);
  Offline model;
  const int context = std::ranges::max(command.prompts) + std::ranges::max(command.generates);
  const auto description = model.load(command, std::ranges::max(command.batches), context);
  if (!description) return bench_failed(description.error());
  const ModelDescription& about = **description;
  if (!command.markdown)
    fmt::print("{}: {}, {} weights, {:.1f} million parameters, {} kernels, median of {}\n",
               about.name, about.family, about.weights,
               static_cast<double>(about.num_parameters) / 1e6, about.kernels, command.repeat);
  std::vector<Row> rows;
  for (const int batch : command.batches) {
    for (const int prompt : command.prompts) {
      for (const int generate : command.generates) {
        auto row = measure(model, batch, prompt, generate, command);
        if (!row) return bench_failed(row.error());
        rows.push_back(*row);
      }
    }
  }
  print_rows(rows, command.markdown);
  const Status done =
      write_whole_file(command.json_file, dump_json(rows_json(command, about, rows)) + "\n");
  return done ? 0 : bench_failed(done.error());
}

}  // namespace millrace::app
