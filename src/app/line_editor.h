// LineEditor: a line from a terminal, with editing, history and completion. The one file that names
// libedit. For one thread.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace millrace::app {

class LineEditor {
 public:
  // `words`: what Tab completes at the start of a line. `history_file` is read now and written at
  // the end, for its owner's eyes only; empty: none is kept.
  LineEditor(std::FILE* out, std::vector<std::string> words, std::string history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Outcome { line, interrupted, end };  // Return; Ctrl-C; Ctrl-D or no terminal any more
  Outcome read(const std::string& prompt, std::string& line);
  void remember(const std::string& entry);  // for the arrow keys

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The words that begin with `start`.
std::vector<std::string> completions(const std::vector<std::string>& words,
                                     const std::string& start);
// $XDG_STATE_HOME/millrace/history or ~/.local/state/millrace/history; its folder is made. Empty
// where that cannot be.
std::string default_history_file();

}  // namespace millrace::app
