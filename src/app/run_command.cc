#include "app/run_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/backends.h"
#include "app/model_defaults.h"
#include "app/progress_bar.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/worker_pool.h"
#include "serving/admission.h"
#include "serving/model_store.h"
#include "serving/text_service.h"

namespace millrace::app {
namespace {

using serving::ChatMessage;
using serving::ModelHandle;

// How one answer went.
struct Answer {
  std::string text;
  TokenUsage usage;
  std::optional<Error> error;
  TimePoint first_token = kNever, last_token = kNever;
};

// Prints text as it comes; hands over the answer at its end.
class PrintingSink final : public serving::TextSink {
 public:
  explicit PrintingSink(std::promise<Answer> done) : done_(std::move(done)) {}

  bool on_deltas(std::vector<serving::TextDelta>& deltas, const TokenUsage&) override {
    const TimePoint now = Clock::now();
    if (answer_.first_token == kNever) answer_.first_token = now;
    answer_.last_token = now;
    for (const auto& delta : deltas) {
      answer_.text += delta.text;
      std::fwrite(delta.text.data(), 1, delta.text.size(), stdout);
    }
    std::fflush(stdout);
    return true;
  }
  void on_end(const TokenUsage& usage) override {
    answer_.usage = usage;
    done_.set_value(std::move(answer_));
  }
  void on_error(const Error& error) override {
    answer_.error = error;
    done_.set_value(std::move(answer_));
  }

 private:
  std::promise<Answer> done_;
  Answer answer_;
};

// The model in this process, and a conversation with it.
class Session {
 public:
  explicit Session(const RunCommand& command)
      : command_(command),
        workers_("worker", 2),
        store_({.path = model_path(command),
                .defaults = model_defaults(command.config),
                .memory = {.total_bytes = command.config.memory_limit,
                           .kv_cache_bytes = command.config.kv_cache_memory}},
               backend_pointers(), metrics_),
        admission_({}),
        service_(store_, admission_, workers_, metrics_) {
    if (!command.system.empty()) history_.push_back({"system", command.system, {}});
  }

  Status load() {
    if (Status opened = store_.open(); !opened) return opened;
    ProgressBar bar(stderr, ::isatty(STDERR_FILENO) != 0 && !command_.prompt.empty());
    while (!store_.wait_until_loaded(std::chrono::milliseconds(50))) {
      for (const auto& status : store_.list()) bar.show(status.name, status.stage, status.progress);
    }
    for (const auto& status : store_.list()) {
      if (status.state == serving::ModelState::failed) return std::unexpected(status.error);
      model_ = status.model;
    }
    return {};
  }

  Result<Answer> ask(const std::string& question) {
    history_.push_back({"user", question, {}});
    serving::TextOptions options{.model = model_,
                                 .sampling = model_->description().default_sampling};
    if (command_.temperature >= 0)
      options.sampling.temperature = static_cast<float>(command_.temperature);
    if (command_.seed >= 0) options.sampling.seed = static_cast<std::uint64_t>(command_.seed);
    if (command_.max_tokens > 0) options.max_tokens = static_cast<int>(command_.max_tokens);
    auto stream =
        model_->text()->has_chat_template()
            ? service_.chat({.options = std::move(options), .prompt = {.messages = history_}})
            : service_.complete({.options = std::move(options), .prompts = {question}});
    if (!stream) return pass(stream);
    std::promise<Answer> done;
    auto answer = done.get_future();
    service_.start(*stream, std::make_unique<PrintingSink>(std::move(done)));
    Answer result = answer.get();
    if (result.error) return std::unexpected(*result.error);
    history_.push_back({"assistant", result.text, {}});
    return result;
  }

 private:
  static std::filesystem::path model_path(const RunCommand& command) {
    if (std::filesystem::exists(command.model)) return command.model;
    return std::filesystem::path(command.config.models_dir) / command.model;
  }
  std::vector<Backend*> backend_pointers() {
    std::vector<Backend*> pointers;
    for (const auto& backend : backends_) pointers.push_back(backend.get());
    return pointers;
  }

  const RunCommand& command_;
  Metrics metrics_;
  std::vector<std::unique_ptr<Backend>> backends_ = make_backends();
  WorkerPool workers_;
  serving::ModelStore store_;
  serving::Admission admission_;
  serving::TextService service_;
  ModelHandle model_;
  std::vector<ChatMessage> history_;
};

void print_stats(const Answer& answer, TimePoint asked) {
  const double ttft = seconds_between(asked, answer.first_token);
  const double decode = seconds_between(answer.first_token, answer.last_token);
  const int decoded = answer.usage.num_completion_tokens - 1;
  fmt::print(
      stderr,
      "prompt {} tokens ({} cached), first token after {:.0f} ms; {} tokens at {:.1f} tokens/s\n",
      answer.usage.num_prompt_tokens, answer.usage.num_cached_tokens, ttft * 1e3,
      answer.usage.num_completion_tokens, decode > 0 ? decoded / decode : 0.0);
}

bool ask_and_print(Session& session, const std::string& question, bool stats) {
  const TimePoint asked = Clock::now();
  auto answer = session.ask(question);
  if (!answer) {
    fmt::print(stderr, "millrace: {}\n", answer.error().message);
    return false;
  }
  if (!answer->text.ends_with('\n')) std::puts("");
  if (stats) print_stats(*answer, asked);
  return true;
}

}  // namespace

int run_command(const RunCommand& command) {
  Session session(command);
  if (Status loaded = session.load(); !loaded) {
    fmt::print(stderr, "millrace: {}\n", loaded.error().message);
    return 1;
  }
  if (!command.prompt.empty()) return ask_and_print(session, command.prompt, command.stats) ? 0 : 1;
  const bool interactive = ::isatty(STDIN_FILENO) != 0;
  std::string line;
  for (;;) {
    if (interactive) fmt::print(stderr, "> ");
    if (!std::getline(std::cin, line)) return 0;
    if (!line.empty()) ask_and_print(session, line, command.stats);
  }
}

}  // namespace millrace::app
