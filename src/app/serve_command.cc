#include "app/serve_command.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "app/first_model.h"
#include "app/progress_bar.h"
#include "app/server.h"
#include "base/log.h"
#include "base/version.h"

namespace millrace::app {
namespace {

using serving::ModelState;
using serving::ModelStatus;

// SIGINT and SIGTERM, blocked in every thread from now on so that this one can wait for them.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

// True once one of the signals came.
bool wait_for_signal(const sigset_t& set, std::chrono::milliseconds timeout) {
  const timespec time{.tv_sec = timeout.count() / 1000,
                      .tv_nsec = timeout.count() % 1000 * 1'000'000};
  return sigtimedwait(&set, nullptr, &time) > 0;
}

Status write_ports(const std::string& file, const Server& server) {
  const std::string text =
      fmt::format("{{\"port\":{},\"grpc_port\":{},\"admin_port\":{},\"pid\":{}}}\n", server.port(),
                  server.grpc_port(), server.admin_port(), ::getpid());
  const std::filesystem::path part = file + ".part";
  std::error_code failed;
  if (!(std::ofstream(part) << text).flush())
    return invalid("--port-file: " + file + " cannot be written");
  std::filesystem::rename(part, file, failed);  // readers never see half of it
  if (failed) return invalid("--port-file: " + file + ": " + failed.message());
  return {};
}

// Shows loading until all is loaded or a signal came (then true). The store logs how each load
// went.
bool show_loading(Server& server, const sigset_t& signals) {
  ProgressBar bar(stderr, ::isatty(STDERR_FILENO) != 0);
  for (bool loaded = false; !loaded;) {
    loaded = server.store().wait_until_loaded(std::chrono::milliseconds(50));
    for (const ModelStatus& status : server.store().list()) {
      if (status.state == ModelState::loading) bar.show(status.name, status.stage, status.progress);
    }
    if (wait_for_signal(signals, std::chrono::milliseconds(0))) return true;
  }
  return false;
}

void greet(const Server& server, const ServeConfig& config) {
  log_info("serving on http://{}:{}/v1, metrics on http://{}:{}/metrics, memory limit {}",
           config.host, server.port(), config.host, server.admin_port(),
           format_byte_size(server.memory_limit()));
  if (server.grpc_port() > 0) {
    log_info("gRPC (KServe v2, TensorFlow Serving) on {}:{}", config.host, server.grpc_port());
  } else if (config.enable_grpc) {
    log_info("no gRPC: it is not in this build");
  }
}

}  // namespace

int serve_command(const ServeConfig& config) {
  const sigset_t signals = block_signals();
  log_info("millrace {}", kVersion);
  Server server(config);
  if (Status started = server.start(); !started) {
    log_error("{}", with_first_model(started.error()));
    return 1;
  }
  if (!config.port_file.empty()) {
    if (Status written = write_ports(config.port_file, server); !written) {
      log_error("{}", written.error().message);
      return 1;
    }
  }
  greet(server, config);
  if (!show_loading(server, signals)) {
    log_info("open http://{}:{} in a browser", config.host, server.port());
    while (!wait_for_signal(signals, std::chrono::hours(1))) {
    }
  }
  log_info("stopping: running requests get {} s; a second signal ends at once",
           config.shutdown_timeout);
  // From here a second signal has its default effect on the process.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  server.stop();
  log_info("stopped");
  return 0;
}

}  // namespace millrace::app
