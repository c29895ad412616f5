// Repl: a conversation on a terminal, without the terminal: entries in, text out.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "app/chat_model.h"
#include "app/conversation.h"

namespace millrace::app {

struct ReplOutput {
  std::function<void(std::string_view)> answer;  // the model's words
  std::function<void(std::string_view)> notice;  // ours: whole lines
};

class Repl {
 public:
  // Borrows the model. `stop` becomes true when the reader wants no more of an answer; ask() clears
  // it.
  Repl(ChatModel& model, Conversation conversation, ChatSettings settings, bool show_stats,
       ReplOutput output, std::atomic<bool>& stop);

  // A question, or a /command. False: the conversation is over.
  bool take(const std::string& entry);
  // A question, whatever it begins with. False: no answer came.
  bool ask(const std::string& question);
  const Conversation& conversation() const { return conversation_; }

 private:
  bool command(const std::string& line);
  void set(std::string_view words);
  void system(std::string_view text);
  void save(const std::string& file);
  void load(const std::string& file);
  void stats();

  ChatModel& model_;
  Conversation conversation_;
  ChatSettings settings_;
  bool show_stats_;
  ReplOutput output_;
  std::atomic<bool>& stop_;
  std::string last_stats_;
};

// "/help", "/set temperature" …: what Tab completes.
std::vector<std::string> repl_words();

}  // namespace millrace::app
