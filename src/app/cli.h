// The command line: names CLI11. Turns arguments, environment and millrace.toml into one command.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "app/command_tree.h"
#include "app/config.h"

namespace millrace::app {

struct ServeCommand {
  ServeConfig config;
};
struct RunCommand {
  ServeConfig config;  // model settings only
  std::string model;   // a folder, a file, or a name below models_dir
  std::string prompt;  // empty: read lines from standard input
  std::string system;
  std::int64_t max_tokens = 0;  // 0: to the end of the context
  double temperature = -1;      // -1: the model's own default
  std::int64_t seed = -1;
  bool stats = false;
};
struct ModelsCommand {
  std::string dir = "models";
  bool json = false;
};
struct DoctorCommand {
  bool json = false;
  bool quick = false;  // nothing is measured
};
struct PullCommand {
  std::string source;
  std::string to = "models";
  std::string name, token, sha256;
  std::int64_t connections = 8;
  std::int64_t stall_timeout = 30;  // seconds
  std::int64_t tries = 5;
  bool json = false;
};
struct QuantizeCommand {
  std::string model, output;
  std::string kind = "int4-g64";
  bool pure = false;
  std::string text_file;  // empty: the model writes it
  std::int64_t tokens = 32'768, context = 512;
  std::int64_t threads = 0;
  std::string cpu_isa = "auto";
};
struct CompletionCommand {
  std::string shell;  // bash, zsh, fish
};
struct ManCommand {};
struct VersionCommand {};
struct BenchCommand {
  std::vector<std::string> args;  // app/bench_options.h reads them
};
// Nothing to run: print `text` and end with this code (help, usage errors).
struct ExitCommand {
  int code = 0;
  std::string text;
};

using Command = std::variant<ServeCommand, RunCommand, ModelsCommand, DoctorCommand, PullCommand,
                             QuantizeCommand, BenchCommand, CompletionCommand, ManCommand,
                             VersionCommand, ExitCommand>;

Command parse_command_line(int argc, const char* const* argv);

// The same declarations as data: what completion and the manual page are made of.
CommandTree describe_commands();

inline constexpr int kExitUsage = 64;   // EX_USAGE: wrong words on the command line
inline constexpr int kExitConfig = 78;  // EX_CONFIG: a wrong setting, in whichever place

}  // namespace millrace::app
