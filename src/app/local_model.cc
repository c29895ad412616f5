#include "app/local_model.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "app/backends.h"
#include "app/first_model.h"
#include "app/model_defaults.h"
#include "app/progress_bar.h"
#include "app/terminal.h"
#include "base/metrics.h"
#include "base/worker_pool.h"
#include "serving/admission.h"
#include "serving/model_store.h"
#include "serving/text_service.h"

namespace millrace::app {
namespace {

constexpr std::chrono::milliseconds kPoll(20);

// Hands text on as it comes, and the whole answer at the end, whichever way it ends.
class AnswerSink final : public serving::TextSink {
 public:
  AnswerSink(std::promise<Result<Answer>> done,
             const std::function<void(std::string_view)>& on_text, const std::atomic<bool>& stop)
      : done_(std::move(done)), on_text_(on_text), stop_(stop) {}
  // A cancelled stream says nothing more: what came until then is the answer.
  ~AnswerSink() override {
    if (ended_) return;
    answer_.was_stopped = true;
    done_.set_value(std::move(answer_));
  }

  bool on_deltas(std::vector<serving::TextDelta>& deltas, const TokenUsage& usage) override {
    if (stop_.load()) return false;
    answer_.last_token = Clock::now();
    if (answer_.first_token == kNever) answer_.first_token = answer_.last_token;
    answer_.usage = usage;
    for (const auto& delta : deltas) {
      answer_.text += delta.text;
      on_text_(delta.text);
    }
    return true;
  }
  void on_end(const TokenUsage& usage) override {
    answer_.usage = usage;
    end(std::move(answer_));
  }
  void on_error(const Error& error) override { end(std::unexpected(error)); }

 private:
  void end(Result<Answer> result) {
    if (std::exchange(ended_, true)) return;
    done_.set_value(std::move(result));
  }

  std::promise<Result<Answer>> done_;
  const std::function<void(std::string_view)>& on_text_;
  const std::atomic<bool>& stop_;
  Answer answer_;
  bool ended_ = false;
};

std::filesystem::path model_path(const RunCommand& command) {
  if (std::filesystem::exists(command.model)) return command.model;
  return std::filesystem::path(command.config.models_dir) / command.model;
}

}  // namespace

struct LocalModel::State {
  explicit State(const RunCommand& run)
      : command(run),
        workers("worker", 2),
        store({.path = model_path(run),
               .defaults = model_defaults(run.config),
               .memory = {.total_bytes = run.config.memory_limit,
                          .kv_cache_bytes = run.config.kv_cache_memory}},
              backend_pointers(), metrics),
        admission({}),
        service(store, admission, workers, metrics) {}

  std::vector<Backend*> backend_pointers() const {
    std::vector<Backend*> pointers;
    for (const auto& backend : backends) pointers.push_back(backend.get());
    return pointers;
  }

  const RunCommand& command;
  Metrics metrics;
  std::vector<std::unique_ptr<Backend>> backends = make_backends();
  WorkerPool workers;
  serving::ModelStore store;
  serving::Admission admission;
  serving::TextService service;
  serving::ModelHandle model;
};

LocalModel::LocalModel(const RunCommand& command) : state_(std::make_unique<State>(command)) {}
LocalModel::~LocalModel() = default;

Status LocalModel::load() {
  serving::ModelStore& store = state_->store;
  const RunCommand& command = state_->command;
  if (!std::filesystem::exists(model_path(command)))
    return invalid(no_such_model(command.model, command.config.models_dir));
  if (Status opened = store.open(); !opened) return opened;
  if (store.list().size() > 1) {
    std::string names;
    for (const auto& status : store.list()) names += (names.empty() ? "" : ", ") + status.name;
    return invalid(
        fmt::format("{} is a folder of models; run one of: {}", state_->command.model, names));
  }
  ProgressBar bar(stderr, is_terminal(stderr));
  while (!store.wait_until_loaded(std::chrono::milliseconds(50))) {
    if (!is_terminal(stderr)) continue;
    for (const auto& status : store.list()) bar.show(status.name, status.stage, status.progress);
  }
  for (const auto& status : store.list()) {
    if (status.state == serving::ModelState::failed) return std::unexpected(status.error);
    state_->model = status.model;
  }
  if (!state_->model || !state_->model->text() || !state_->model->generator())
    return invalid(state_->command.model + " does not answer with text");
  return {};
}

Result<Answer> LocalModel::answer(const Conversation& conversation, const ChatSettings& settings,
                                  const std::function<void(std::string_view)>& on_text,
                                  const std::atomic<bool>& stop) {
  const serving::ModelHandle& model = state_->model;
  serving::TextOptions options{.model = model, .sampling = model->description().default_sampling};
  settings.apply(options.sampling);
  if (settings.max_tokens) options.max_tokens = static_cast<int>(*settings.max_tokens);
  auto stream = model->text()->has_chat_template()
                    ? state_->service.chat({.options = std::move(options),
                                            .prompt = {.messages = conversation.messages()}})
                    : state_->service.complete({.options = std::move(options),
                                                .prompts = {conversation.turns.back().content}});
  if (!stream) return pass(stream);
  std::promise<Result<Answer>> done;
  auto answer = done.get_future();
  const TimePoint asked = Clock::now();
  state_->service.start(*stream, std::make_unique<AnswerSink>(std::move(done), on_text, stop));
  while (answer.wait_for(kPoll) != std::future_status::ready) {
    if (stop.load()) (*stream)->cancel();
  }
  Result<Answer> result = answer.get();
  if (result) result->asked = asked;
  return result;
}

}  // namespace millrace::app
