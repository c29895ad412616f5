#include "app/pull_command.h"

#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <utility>

#include "app/progress_bar.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/settings.h"
#include "hub/pull.h"

namespace millrace::app {
namespace {

constexpr int kExitData = 65, kExitNoInput = 66, kExitUnavailable = 69, kExitIo = 74,
              kExitNoPermission = 77, kExitInterrupted = 130;

std::atomic<bool> stop_wanted = false;

// The first signal ends the pull in order, the second at once.
void on_signal(int number) {
  if (stop_wanted.exchange(true)) {
    signal(number, SIG_DFL);
    raise(number);
  }
}

void install_signals() {
  struct sigaction action{};
  action.sa_handler = &on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file too large is an error of write()
}

// Bytes a second over the last few seconds.
class Speed {
 public:
  double update(std::int64_t present) {
    constexpr double kWindow = 5;
    const TimePoint now = Clock::now();
    if (!points_.empty() && present < points_.back().second) points_.clear();
    points_.emplace_back(now, present);
    while (seconds_between(points_.front().first, now) > kWindow) points_.pop_front();
    const double seconds = seconds_between(points_.front().first, now);
    return seconds > 0.2 ? static_cast<double>(present - points_.front().second) / seconds : 0;
  }

 private:
  std::deque<std::pair<TimePoint, std::int64_t>> points_;
};

class Display {
 public:
  explicit Display(bool is_terminal) : is_terminal_(is_terminal), bar_(stderr, is_terminal) {}

  void show(const hub::PullProgress& progress) {
    constexpr double kEvery = 0.1;
    if (progress.file != file_) speed_ = {};
    const bool fresh = std::exchange(file_, progress.file) != progress.file;
    const TimePoint now = Clock::now();
    const bool ended = progress.bytes_present == progress.size;
    if (!fresh && !ended && seconds_between(shown_, now) < kEvery) return;
    shown_ = now;
    const bool knows_size = progress.size > 0;  // not while pip is at work
    const double speed = speed_.update(progress.bytes_present);
    const double done = progress.size > 0 ? static_cast<double>(progress.bytes_present) /
                                                static_cast<double>(progress.size)
                                          : 0;
    const std::string name = progress.num_files > 1 ? fmt::format("[{}/{}] {}", progress.index + 1,
                                                                  progress.num_files, progress.file)
                                                    : progress.file;
    // Where nobody watches, one line a file.
    bar_.show(escape_control_characters(name),
              is_terminal_ && knows_size
                  ? progress_text(progress.bytes_present, progress.size, speed)
                  : (knows_size ? format_byte_size(progress.size) : "fetching"),
              done);
  }
  void clear() { bar_.clear(); }

 private:
  bool is_terminal_;
  ProgressBar bar_;
  Speed speed_;
  std::string file_;
  TimePoint shown_{};
};

json::value report_json(const hub::PullReport& report) {
  json::array files;
  for (const hub::PulledFile& file : report.files) {
    files.push_back({{"name", file.name},
                     {"bytes", file.bytes},
                     {"checksum", describe(file.checksum)},
                     {"was_there", file.was_there}});
  }
  return {{"folder", report.folder.string()}, {"revision", report.revision}, {"files", files}};
}

void print_report(const hub::PullReport& report) {
  std::int64_t fetched = 0;
  std::size_t num_there = 0;
  for (const hub::PulledFile& file : report.files) {
    if (file.was_there) {
      ++num_there;
    } else {
      fetched += file.bytes;
    }
  }
  const std::string folder = report.folder.string();
  if (num_there == report.files.size()) {
    fmt::print("{} is complete already\n", folder);
  } else {
    fmt::print("{}: {} fetched, {} right\n", folder, format_byte_size(fetched),
               report.files.size() == 1 ? "its checksum is" : "all checksums are");
  }
  fmt::print("try it:  millrace run {}\n", folder);
}

int report_error(const Error& error, bool as_json) {
  const int status = exit_status_of(error);
  if (as_json) {
    const json::value text = {
        {"error", {{"message", error.message}, {"code", error.code}, {"exit_status", status}}}};
    fmt::print("{}\n", dump_json(text));
  }
  fmt::print(stderr, "millrace: {}\n", error.message);
  return status;
}

}  // namespace

int exit_status_of(const Error& error) {
  if (error.code == "wrong_checksum" || error.code == "hostile_name" ||
      error.code == "broken_archive")
    return kExitData;
  if (error.code == "disk_full" || error.code == "not_writable") return kExitIo;
  switch (error.kind) {
    case ErrorKind::not_found:
      return kExitNoInput;
    case ErrorKind::unauthenticated:
      return kExitNoPermission;
    case ErrorKind::unavailable:
    case ErrorKind::rate_limited:
    case ErrorKind::deadline_exceeded:
      return kExitUnavailable;
    case ErrorKind::cancelled:
      return kExitInterrupted;
    case ErrorKind::invalid_argument:
      return kExitUsage;
    default:
      return 1;
  }
}

std::string progress_text(std::int64_t present, std::int64_t size, double bytes_per_second) {
  std::string text = fmt::format("{} of {}", format_byte_size(present), format_byte_size(size));
  if (bytes_per_second < 1) return text;
  text += fmt::format(", {}/s", format_byte_size(static_cast<std::int64_t>(bytes_per_second)));
  const double left = static_cast<double>(size - present) / bytes_per_second;
  if (left < 1) return text;
  return text + (left < 120 ? fmt::format(", {:.0f} s left", left)
                            : fmt::format(", {:.0f} min left", left / 60));
}

int pull_command(const PullCommand& command) {
  set_log_level(LogLevel::warn);
  auto source = hub::parse_source(command.source);
  if (!source) return report_error(source.error(), command.json);
  install_signals();
  Display display(is_terminal(stderr));
  hub::PullOptions options;
  options.models_dir = command.to;
  options.folder = command.name;
  options.token = command.token;
  options.sha256 = command.sha256;
  options.download.connections = static_cast<int>(command.connections);
  options.download.tries = static_cast<int>(command.tries);
  options.download.times.stall_seconds = static_cast<int>(command.stall_timeout);
  options.download.stop = &stop_wanted;
  options.environment = [](const char* name) -> const char* { return std::getenv(name); };
  options.progress = [&](const hub::PullProgress& progress) { display.show(progress); };
  auto report = hub::pull(*source, options);
  display.clear();
  if (!report) return report_error(report.error(), command.json);
  if (command.json) {
    fmt::print("{}\n", dump_json(report_json(*report)));
  } else {
    print_report(*report);
  }
  return 0;
}

}  // namespace millrace::app
