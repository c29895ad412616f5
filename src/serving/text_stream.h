// TextStream: the answer to one text request while it runs. Token events of its choices → text,
// stop strings, finish reasons, usage → a sink. Driven by the channels: no thread waits for a
// token.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/worker_pool.h"
#include "servable/servable.h"
#include "serving/admission.h"
#include "serving/model_store.h"
#include "serving/text_metrics.h"
#include "serving/text_request.h"
#include "text/detokenizer.h"
#include "text/stop_matcher.h"

namespace millrace::serving {

struct TokenText {
  TokenId id = -1;
  std::string bytes;  // may be part of a character
  float logprob = 0;
};

struct OutputToken {
  TokenText token{};
  std::vector<TokenText> top{};  // most likely first
};

// What one choice gained since the last delivery.
struct TextDelta {
  int choice = 0;
  std::string text{};                 // whole UTF-8 characters
  std::vector<OutputToken> tokens{};  // when wanted
  FinishReason finish = FinishReason::none;
  std::string stop_string{};  // that ended it, if one did
  TokenId stop_token = -1;    // the stop_token_ids member that ended it, if one did
};

// Calls come one at a time, from worker threads, in order: on_deltas…, then on_end or on_error.
// After cancel() there may be none at all.
class TextSink {
 public:
  virtual ~TextSink() = default;
  // May move from the deltas. False: nobody reads any more; the request is cancelled.
  virtual bool on_deltas(std::vector<TextDelta>& deltas, const TokenUsage& usage) = 0;
  virtual void on_end(const TokenUsage& usage) = 0;
  virtual void on_error(const Error& error) = 0;
  // Nothing was delivered for a while (see Ticker); clients may need a sign of life.
  virtual void on_idle() {}
};

class TextStream : public std::enable_shared_from_this<TextStream> {
 public:
  // Borrows workers. `options.model` has text.
  TextStream(TextOptions options, Admission::Permit permit, WorkerPool& workers,
             TextMetrics metrics);
  ~TextStream();

  // Before start(). Choices are numbered in the order they are added. `prompt` is counted in the
  // usage for the first of its choices; `echo` is text that goes before the output.
  struct Prompt {
    std::vector<TokenId> tokens;
    std::string echo{};
  };
  void add_choices(Prompt prompt, std::vector<std::shared_ptr<TokenChannel>> channels);

  // Begins delivery. Keeps itself alive until the last call to the sink.
  void start(std::unique_ptr<TextSink> sink);

  // Closes every channel at once. Thread-safe, never blocks, any number of times.
  void cancel();
  // Ends the answer with this error instead. Thread-safe, never blocks; after the end it is
  // nothing.
  void fail(Error error);
  // Makes on_idle() happen. Thread-safe, never blocks.
  void poke();
  // Of the last delivery, or of the start.
  TimePoint last_activity() const { return last_activity_.load(std::memory_order_relaxed); }

  const TextOptions& options() const { return options_; }
  const std::vector<Prompt>& prompts() const { return prompts_; }
  int num_choices() const { return static_cast<int>(choices_.size()); }

 private:
  struct Choice;

  void wake();
  void run();      // as long as there are wakes
  void deliver();  // one round
  void drain(Choice& choice);
  void take_event(Choice& choice, TextDelta& delta, TokenEvent& event);
  void take_token(Choice& choice, TextDelta& delta, const TokenEvent& event);
  void take_finish(Choice& choice, TextDelta& delta, const TokenEvent& event);
  void close_channels();
  void end();
  void arm(Choice& choice);
  TokenText text_of(TokenId id, float logprob) const;
  bool is_eos(TokenId id) const;

  TextOptions options_;
  Admission::Permit permit_;
  WorkerPool& workers_;
  const TextMetrics metrics_;
  const text::Tokenizer& tokenizer_;
  std::vector<Prompt> prompts_;
  std::vector<std::unique_ptr<Choice>> choices_;  // fixed once started

  std::atomic<int> num_wakes_ = 0;  // above 0: a task is posted or running
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> idle_due_ = false;
  std::atomic<bool> failing_ = false;
  std::mutex failing_mutex_;
  Error failing_with_;  // guarded by failing_mutex_
  std::atomic<TimePoint> last_activity_;

  // Touched by the running task only.
  std::unique_ptr<TextSink> sink_;
  std::shared_ptr<TextStream> self_;  // from start() to end(): the channels only know it weakly
  std::vector<TextDelta> deltas_;
  std::vector<Choice*> drained_;
  std::optional<Error> failure_;
  TokenUsage usage_;
  int num_open_ = 0;
  int num_traced_ = 0;  // deliveries
};

}  // namespace millrace::serving
