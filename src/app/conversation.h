// A conversation and its settings as `millrace run` keeps them: plain data, with a form for files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "servable/requests.h"
#include "serving/text_model.h"

namespace millrace::app {

// Empty: the model's own.
struct ChatSettings {
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<std::int64_t> top_k, seed, max_tokens;

  // "temperature", "0.2"; "default" takes the setting away. invalid_argument names the range, or
  // the settings there are.
  Status set(std::string_view name, std::string_view value);
  void apply(SamplingParams& sampling) const;  // max_tokens excepted
  std::string to_text() const;                 // one line a setting that has a value
};

// The names that set() knows.
std::vector<std::string> setting_names();

struct Conversation {
  std::string system;
  std::vector<serving::ChatMessage> turns;  // user and assistant

  std::vector<serving::ChatMessage> messages()
      const;  // the system message first, where there is one
};

// JSON as the chat API takes it: {"messages": [{"role", "content"} …]}.
std::string save_conversation(const Conversation& conversation);
Result<Conversation> load_conversation(std::string_view text);

}  // namespace millrace::app
