#include <fmt/format.h>

#include <variant>

#include "app/bench_command.h"
#include "app/cli.h"
#include "app/commit.h"
#include "app/completion.h"
#include "app/doctor_command.h"
#include "app/man_page.h"
#include "app/models_command.h"
#include "app/pull_command.h"
#include "app/quantize_command.h"
#include "app/run_command.h"
#include "app/serve_command.h"
#include "base/log.h"
#include "base/version.h"
#include "kernels/select.h"

namespace millrace::app {
namespace {

LogLevel log_level(const std::string& name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "warn") return LogLevel::warn;
  return name == "error" ? LogLevel::error : LogLevel::info;
}

// One overload a command; each returns the exit status.
struct Execute {
  int operator()(const ServeCommand& command) const {
    set_log_level(log_level(command.config.log_level));
    return serve_command(command.config);
  }
  int operator()(const RunCommand& command) const {
    set_log_level(log_level(command.config.log_level));
    return run_command(command);
  }
  int operator()(const ModelsCommand& command) const { return models_command(command); }
  int operator()(const DoctorCommand& command) const { return doctor_command(command); }
  int operator()(const PullCommand& command) const { return pull_command(command); }
  int operator()(const QuantizeCommand& command) const { return quantize_command(command); }
  int operator()(const CompletionCommand& command) const {
    fmt::print("{}", completion_script(describe_commands(), command.shell));
    return 0;
  }
  int operator()(const ManCommand&) const {
    fmt::print("{}", man_page(describe_commands(), kVersion));
    return 0;
  }
  int operator()(const VersionCommand&) const {
    fmt::print("millrace {} ({}), kernels: {}\n", kVersion, kCommit,
               (*kernels::select_kernels())->name);
    return 0;
  }
  int operator()(const BenchCommand& command) const { return bench_command(command.args); }
  int operator()(const ExitCommand& command) const {
    fmt::print(command.code == 0 ? stdout : stderr, "{}", command.text);
    return command.code;
  }
};

}  // namespace
}  // namespace millrace::app

int main(int argc, char** argv) {
  return std::visit(millrace::app::Execute{}, millrace::app::parse_command_line(argc, argv));
}
