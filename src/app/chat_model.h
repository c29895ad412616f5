// ChatModel: what a conversation is held with. The terminal's side knows this much of a model.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "app/conversation.h"
#include "base/clock.h"
#include "base/result.h"

namespace millrace::app {

// How one answer went.
struct Answer {
  std::string text;
  TokenUsage usage;
  bool was_stopped = false;  // by the reader
  TimePoint asked = Clock::now(), first_token = kNever, last_token = kNever;
};

class ChatModel {
 public:
  virtual ~ChatModel() = default;
  // The answer to the conversation's last question, its text to `on_text` as it comes (another
  // thread's call, one at a time). Ends early, without an error, once `stop` is true.
  virtual Result<Answer> answer(const Conversation& conversation, const ChatSettings& settings,
                                const std::function<void(std::string_view)>& on_text,
                                const std::atomic<bool>& stop) = 0;
};

// "prompt 31 tokens (12 cached), first token after 40 ms; 25 tokens at 81.0 tokens/s"
std::string stats_text(const Answer& answer);

}  // namespace millrace::app
