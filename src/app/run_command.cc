#include "app/run_command.h"

#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <iostream>
#include <string>

#include "app/entry_reader.h"
#include "app/line_editor.h"
#include "app/local_model.h"
#include "app/repl.h"
#include "app/terminal.h"

namespace millrace::app {
namespace {

std::atomic<bool> stop_answer = false;

void print_answer(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

ChatSettings settings_of(const RunCommand& command) {
  ChatSettings settings;
  if (command.temperature >= 0) settings.temperature = command.temperature;
  if (command.seed >= 0) settings.seed = command.seed;
  if (command.max_tokens > 0) settings.max_tokens = command.max_tokens;
  return settings;
}

// Lines of a pipe or a file: each is a question, whatever it begins with.
int answer_lines(Repl& repl) {
  bool answered = true;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) answered = repl.ask(line) && answered;
  }
  return answered ? 0 : 1;
}

int converse(Repl& repl) {
  struct sigaction action{};
  action.sa_handler = [](int) { stop_answer.store(true); };
  sigaction(SIGINT, &action, nullptr);
  std::FILE* out = is_terminal(stdout) ? stdout : stderr;
  LineEditor editor(out, repl_words(), default_history_file());
  EntryReader reader;
  fmt::print(out, "/help lists the commands, Ctrl-D ends.\n");
  for (std::string line;;) {
    switch (editor.read(reader.wants_more() ? ". " : "> ", line)) {
      case LineEditor::Outcome::end:
        fmt::print(out, "\n");
        return 0;
      case LineEditor::Outcome::interrupted:
        reader.reset();
        continue;
      case LineEditor::Outcome::line:
        break;
    }
    const auto entry = reader.add(line);
    if (!entry || entry->empty()) continue;
    editor.remember(*entry);
    if (!repl.take(*entry)) return 0;
  }
}

}  // namespace

int run_command(const RunCommand& command) {
  LocalModel model(command);
  if (Status loaded = model.load(); !loaded) {
    fmt::print(stderr, "millrace: {}\n", loaded.error().message);
    return 1;
  }
  const bool interactive = command.prompt.empty() && is_terminal(stdin);
  const bool dim = use_colour(stderr);
  const ReplOutput output = {
      .answer = print_answer, .notice = [=](std::string_view text) {
        const std::string line = interactive ? coloured(text, Colour::dim, dim) : std::string(text);
        fmt::print(stderr, "{}\n", line);
      }};
  Repl repl(model, {.system = command.system, .turns = {}}, settings_of(command), command.stats,
            output, stop_answer);
  if (!command.prompt.empty()) return repl.ask(command.prompt) ? 0 : 1;
  return interactive ? converse(repl) : answer_lines(repl);
}

}  // namespace millrace::app
