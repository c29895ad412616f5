#include "app/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>

namespace millrace::app {
namespace {

constexpr int kCells = 24;

int columns_of(std::FILE* terminal) {
  constexpr int kUsual = 80;
  winsize size{};
  return ::ioctl(::fileno(terminal), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                                : kUsual;
}

}  // namespace

std::string bar_text(double done, int width) {
  done = std::clamp(done, 0.0, 1.0);
  const int full = static_cast<int>(std::floor(done * width));
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < full ? "█" : "░";
  return fmt::format("{} {:3.0f} %", bar, done * 100);
}

std::string bar_line(const std::string& name, const std::string& stage, double done, int columns) {
  constexpr int kBar = kCells + 6;  // with its percentage
  constexpr std::size_t kShortName = 8;
  const int room = std::max(columns - 1 - kBar - 2, 0);  // for name and stage
  std::string what = stage, who = name;
  const auto fits = [&] { return static_cast<int>(who.size() + what.size()) <= room; };
  while (!fits() && !what.empty()) {
    const auto comma = what.rfind(", ");
    what.resize(comma == std::string::npos ? 0 : comma);
  }
  if (!fits())
    who.resize(
        std::min(who.size(), std::max<std::size_t>(static_cast<std::size_t>(room), kShortName)));
  return fmt::format("{} {} {}", who, bar_text(done, kCells), what);
}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::show(const std::string& name, const std::string& stage, double done) {
  if (is_terminal_) {
    fmt::print(out_, "\r\x1b[K{}", bar_line(name, stage, done, columns_of(out_)));
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
