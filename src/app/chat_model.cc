#include "app/chat_model.h"

#include <fmt/format.h>

namespace millrace::app {

std::string stats_text(const Answer& answer) {
  if (answer.first_token == kNever) return "no token came";
  const double ttft = seconds_between(answer.asked, answer.first_token);
  const double decode = seconds_between(answer.first_token, answer.last_token);
  const int decoded = answer.usage.num_completion_tokens - 1;
  return fmt::format(
      "prompt {} tokens ({} cached), first token after {:.0f} ms; {} tokens at {:.1f} tokens/s",
      answer.usage.num_prompt_tokens, answer.usage.num_cached_tokens, ttft * 1e3,
      answer.usage.num_completion_tokens, decode > 0 ? decoded / decode : 0.0);
}

}  // namespace millrace::app
