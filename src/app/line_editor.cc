#include "app/line_editor.h"

#include <fmt/format.h>
#include <histedit.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace millrace::app {

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::FILE* out = nullptr;
  std::vector<std::string> words;
  std::string history_file, prompt;
  bool interrupted = false;
};

namespace {

constexpr int kMaxEntries = 1000;

// What every callback of libedit is given back.
template <class State>
State& state_of(EditLine* editor) {
  State* state = nullptr;
  el_get(editor, EL_CLIENTDATA, &state);
  return *state;
}

std::string common_start(const std::vector<std::string>& words) {
  std::string start = words.front();
  for (const std::string& word : words) {
    while (!word.starts_with(start)) start.pop_back();
  }
  return start;
}

}  // namespace

LineEditor::LineEditor(std::FILE* out, std::vector<std::string> words, std::string history_file)
    : state_(std::make_unique<State>()) {
  if (!std::setlocale(LC_CTYPE, "") || std::strcmp(std::setlocale(LC_CTYPE, nullptr), "C") == 0)
    std::setlocale(LC_CTYPE, "C.UTF-8");
  State& s = *state_;
  s.out = out;
  s.words = std::move(words);
  s.history_file = std::move(history_file);
  s.editor = el_init("millrace", stdin, out, stderr);
  s.history = history_init();
  HistEvent event{};
  ::history(s.history, &event, H_SETSIZE, kMaxEntries);
  ::history(s.history, &event, H_SETUNIQUE, 1);
  if (!s.history_file.empty()) ::history(s.history, &event, H_LOAD, s.history_file.c_str());

  el_set(s.editor, EL_CLIENTDATA, state_.get());
  el_set(s.editor, EL_EDITOR, "emacs");
  el_set(s.editor, EL_SIGNAL, 0);
  el_set(s.editor, EL_HIST, ::history, s.history);
  const auto prompt = [](EditLine* editor) { return state_of<State>(editor).prompt.data(); };
  el_set(s.editor, EL_PROMPT, static_cast<char* (*)(EditLine*)>(prompt));
  // While a line is edited Ctrl-C is a key, so that it cannot end the program.
  el_set(s.editor, EL_SETTY, "-d", "-isig", nullptr);
  const auto interrupt = [](EditLine* editor, int) -> unsigned char {
    state_of<State>(editor).interrupted = true;
    return CC_NEWLINE;
  };
  const auto complete = [](EditLine* editor, int) -> unsigned char {
    const State& state = state_of<State>(editor);
    const LineInfo* line = el_line(editor);
    const std::string typed(line->buffer, line->cursor);
    const auto fitting = completions(state.words, typed);
    if (fitting.empty()) return CC_REFRESH_BEEP;
    const std::string start = fitting.size() == 1 ? fitting.front() + " " : common_start(fitting);
    if (start.size() > typed.size()) {
      el_insertstr(editor, start.c_str() + typed.size());
      return CC_REFRESH;
    }
    std::fputc('\n', state.out);
    for (const std::string& word : fitting) fmt::print(state.out, "{}  ", word);
    std::fputc('\n', state.out);
    return CC_REDISPLAY;
  };
  using Function = unsigned char (*)(EditLine*, int);
  el_set(s.editor, EL_ADDFN, "millrace-interrupt", "drop this line",
         static_cast<Function>(interrupt));
  el_set(s.editor, EL_ADDFN, "millrace-complete", "complete a command",
         static_cast<Function>(complete));
  el_set(s.editor, EL_BIND, "^C", "millrace-interrupt", nullptr);
  el_set(s.editor, EL_BIND, "^I", "millrace-complete", nullptr);
  // A Ctrl-D that came before the terminal was switched to single keys arrives as a NUL.
  el_set(s.editor, EL_BIND, "^@", "em-delete-or-list", nullptr);
  el_set(s.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  HistEvent event{};
  if (!state_->history_file.empty())
    ::history(state_->history, &event, H_SAVE, state_->history_file.c_str());
  history_end(state_->history);
  el_end(state_->editor);
}

LineEditor::Outcome LineEditor::read(const std::string& prompt, std::string& line) {
  State& s = *state_;
  s.prompt = prompt;
  s.interrupted = false;
  el_resize(s.editor);
  // Before the prompt shows: a Ctrl-C in answer to it must find its key, not a signal.
  el_set(s.editor, EL_PREP_TERM, 1);
  int length = 0;
  const char* text = el_gets(s.editor, &length);
  if (s.interrupted) return Outcome::interrupted;
  if (!text || length <= 0) return Outcome::end;
  line.assign(text, static_cast<std::size_t>(length));
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  return Outcome::line;
}

void LineEditor::remember(const std::string& entry) {
  HistEvent event{};
  ::history(state_->history, &event, H_ENTER, entry.c_str());
}

std::vector<std::string> completions(const std::vector<std::string>& words,
                                     const std::string& start) {
  std::vector<std::string> fitting;
  if (start.empty()) return fitting;
  std::ranges::copy_if(words, std::back_inserter(fitting),
                       [&](const std::string& word) { return word.starts_with(start); });
  return fitting;
}

std::string default_history_file() {
  namespace fs = std::filesystem;
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (state && *state) {
    folder = state;
  } else if (home && *home) {
    folder = fs::path(home) / ".local" / "state";
  } else {
    return {};
  }
  folder /= "millrace";
  std::error_code error;
  fs::create_directories(folder, error);
  return fs::is_directory(folder, error) ? (folder / "history").string() : std::string();
}

}  // namespace millrace::app
