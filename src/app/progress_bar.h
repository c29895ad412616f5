// A one-line progress bar on a terminal; whole lines, only at changes of stage, where there is
// none.
#pragma once

#include <cstdio>
#include <string>

namespace millrace::app {

class ProgressBar {
 public:
  // Writes to `out`; `is_terminal` chooses the form.
  ProgressBar(std::FILE* out, bool is_terminal) : out_(out), is_terminal_(is_terminal) {}
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // done: 0..1.
  void show(const std::string& name, const std::string& stage, double done);
  // Removes the bar, so that other lines can be written.
  void clear();

 private:
  std::FILE* out_;
  bool is_terminal_;
  bool shown_ = false;
  std::string last_;
};

// "████████░░░░  64 %", `width` cells.
std::string bar_text(double done, int width);

// "name bar stage" in at most `columns` columns: the stage loses its last parts, then the name its
// end. A line that wraps could not be drawn over.
std::string bar_line(const std::string& name, const std::string& stage, double done, int columns);

}  // namespace millrace::app
