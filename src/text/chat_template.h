// ChatTemplate: a Jinja template, interpreted by us with limits (templates come with model files
// and are hostile input). Compiled once, rendered many times; immutable and thread-safe.
#pragma once

#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace millrace::text {

struct TemplateLimits {
  std::size_t max_operations = 1'000'000;  // fuel
  std::size_t max_output_bytes = std::size_t{4} << 20;
  std::size_t max_depth = 64;
  std::size_t max_range = 10'000;
};

class ChatTemplate {
 public:
  static Result<ChatTemplate> compile(std::string_view source);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `context` holds messages, tools, add_generation_prompt, bos_token, … as the template expects
  // them. Jinja settings as in transformers: trim_blocks, lstrip_blocks. raise_exception() in a
  // template and exhausted limits are invalid_argument errors (code "template_error").
  // `now` is what strftime_now() formats; null: the local time.
  Result<std::string> render(const json::object& context, const TemplateLimits& limits = {},
                             const std::tm* now = nullptr) const;

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace millrace::text
