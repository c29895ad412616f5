// For tests: a sink that keeps what it gets and can be waited for; and a model without a store.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serving/fake_model.h"
#include "serving/text_stream.h"

namespace millrace::serving {

struct Recording {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<int, std::string> text;
  std::map<int, std::vector<TokenId>> tokens;
  std::map<int, TextDelta> last;  // the delta with the finish reason
  std::vector<std::string> pieces;
  TokenUsage usage;
  std::optional<Error> error;
  int num_idle = 0;
  int num_calls = 0;
  bool ended = false, gone = false;
  bool keeps_reading = true;

  template <class Condition>
  bool wait(Condition holds, std::chrono::milliseconds patience = std::chrono::seconds(5)) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, patience, holds);
  }
  bool wait_end() {
    return wait([&] { return ended; });
  }
};

class RecordingSink final : public TextSink {
 public:
  explicit RecordingSink(std::shared_ptr<Recording> recording) : recording_(std::move(recording)) {}
  ~RecordingSink() override {
    std::lock_guard lock(recording_->mutex);
    recording_->gone = true;
    recording_->changed.notify_all();
  }
  bool on_deltas(std::vector<TextDelta>& deltas, const TokenUsage& usage) override {
    std::lock_guard lock(recording_->mutex);
    ++recording_->num_calls;
    for (TextDelta& delta : deltas) {
      recording_->text[delta.choice] += delta.text;
      recording_->pieces.push_back(delta.text);
      for (const OutputToken& token : delta.tokens) {
        recording_->tokens[delta.choice].push_back(token.token.id);
      }
      if (delta.finish != FinishReason::none) recording_->last[delta.choice] = delta;
    }
    recording_->usage = usage;
    recording_->changed.notify_all();
    return recording_->keeps_reading;
  }
  void on_end(const TokenUsage& usage) override {
    std::lock_guard lock(recording_->mutex);
    recording_->usage = usage;
    recording_->ended = true;
    recording_->changed.notify_all();
  }
  void on_error(const Error& error) override {
    std::lock_guard lock(recording_->mutex);
    recording_->error = error;
    recording_->ended = true;
    recording_->changed.notify_all();
  }
  void on_idle() override {
    std::lock_guard lock(recording_->mutex);
    ++recording_->num_idle;
    recording_->changed.notify_all();
  }

 private:
  std::shared_ptr<Recording> recording_;
};

// The servable stays reachable through `fake` as long as the handle lives.
inline ModelHandle make_fake_model(FakeServable** fake = nullptr) {
  auto servable = std::make_unique<FakeServable>("fake");
  if (fake) *fake = servable.get();
  auto text = TextModel::build(servable->assets);
  FoundModel found;
  found.spec.name = "fake";
  static Metrics metrics;
  return std::make_shared<Model>(std::move(found), std::move(servable), std::move(*text),
                                 std::nullopt, metrics);
}

}  // namespace millrace::serving
