#include "text/chat_template.h"

#include <utility>

#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace millrace::text {
namespace {

constexpr std::size_t kMaxShownMessage = 1'000;

std::tm local_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  return parts;
}

}  // namespace

struct ChatTemplate::Program {
  std::unique_ptr<jinja::Template> parsed;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::compile(std::string_view source) {
  auto parsed = jinja::parse_template(source);
  if (!parsed) return pass(parsed);
  auto program = std::make_unique<Program>();
  program->parsed = std::move(*parsed);
  return ChatTemplate(std::move(program));
}

Result<std::string> ChatTemplate::render(const json::object& context, const TemplateLimits& limits,
                                         const std::tm* now) const {
  jinja::Run run(limits, now ? *now : local_now());
  std::string out = jinja::Interpreter(run, *program_->parsed, context).render();
  if (!run.failed()) return out;
  const std::string message = run.error().substr(0, kMaxShownMessage);
  if (run.raised()) {
    return invalid("The chat template refused the request: " + message, {}, "template_error");
  }
  return jinja::template_error(run.error_line(), message);
}

}  // namespace millrace::text
