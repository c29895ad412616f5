#include "app/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace millrace::app {

std::string bar_text(double done, int width) {
  done = std::clamp(done, 0.0, 1.0);
  const int full = static_cast<int>(std::floor(done * width));
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < full ? "█" : "░";
  return fmt::format("{} {:3.0f} %", bar, done * 100);
}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::show(const std::string& name, const std::string& stage, double done) {
  constexpr int kWidth = 24;
  if (is_terminal_) {
    fmt::print(out_, "\r\x1b[K{} {} {}", name, bar_text(done, kWidth), stage);
    std::fflush(out_);
    shown_ = true;
    return;
  }
  std::string line = fmt::format("{}: {}", name, stage);
  if (line == last_ || stage.empty()) return;
  fmt::print(out_, "{}\n", line);
  std::fflush(out_);
  last_ = std::move(line);
}

void ProgressBar::clear() {
  if (!shown_) return;
  fmt::print(out_, "\r\x1b[K");
  std::fflush(out_);
  shown_ = false;
}

}  // namespace millrace::app
