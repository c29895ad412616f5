#include "app/server.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "api/context.h"
#include "api/errors.h"
#include "api/grpc/grpc_server.h"
#include "api/routes.h"
#include "app/backends.h"
#include "app/model_defaults.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/trace.h"
#include "base/version.h"
#include "base/worker_pool.h"
#include "net/http_server.h"
#include "net/router.h"
#include "serving/admission.h"
#include "serving/image/image_service.h"
#include "serving/pipeline/pipeline_backend.h"
#include "serving/shared_memory.h"
#include "serving/tensor_service.h"
#include "serving/text_service.h"

namespace millrace::app {
namespace {

constexpr std::chrono::seconds kLastRequests{10};
constexpr std::size_t kTraces = 256;
constexpr int kExitStuck = 70;  // EX_SOFTWARE: a supervisor should start the process again

std::size_t num_workers(const ServeConfig& config) {
  if (config.worker_threads > 0) return static_cast<std::size_t>(config.worker_threads);
  return std::max(2u, std::thread::hardware_concurrency());
}

std::vector<Backend*> pointers(const std::vector<std::unique_ptr<Backend>>& backends) {
  std::vector<Backend*> out;
  for (const auto& backend : backends) out.push_back(backend.get());
  return out;
}

serving::ModelStoreOptions store_options(const ServeConfig& c) {
  serving::ModelStoreOptions options{
      .path = c.models_dir,
      .defaults = model_defaults(c),
      .memory = {.total_bytes = c.memory_limit, .kv_cache_bytes = c.kv_cache_memory},
      .poll_interval = std::chrono::seconds(c.repository_poll_secs)};
  if (c.model_control_mode == "poll") options.control = serving::ModelControl::poll;
  if (c.model_control_mode == "explicit") options.control = serving::ModelControl::explicit_only;
  std::string_view names = c.load_model;
  while (!names.empty()) {
    const auto comma = std::min(names.find(','), names.size());
    if (comma > 0) options.startup_models.emplace_back(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return options;
}

net::HttpServerOptions listener(const ServeConfig& config, const char* name, std::int64_t port) {
  net::HttpServerOptions options;
  options.name = name;
  options.host = config.host;
  options.port = static_cast<std::uint16_t>(port);
  options.num_io_threads = static_cast<std::size_t>(config.io_threads);
  options.error_body = [](int status, std::string_view path, std::string_view message) {
    return api::error_body_of_status(status, path, message);
  };
  return options;
}

}  // namespace

// Declared in the order of starting; destroyed in reverse. Listeners come last: they hand requests
// to all that stands above them.
struct Server::Parts {
  explicit Parts(const ServeConfig& c)
      : config(c),
        backends(make_backends()),
        workers("worker", num_workers(c)),
        store(store_options(c), pointers(backends), metrics),
        admission({.max_requests = static_cast<int>(c.max_concurrent_requests)}),
        text(store, admission, workers, metrics),
        tensors(store, admission, workers),
        images(store, tensors, admission, workers, metrics),
        context{.store = store,
                .text = text,
                .tensors = tensors,
                .images = images,
                .admission = admission,
                .metrics = metrics,
                .traces = traces,
                .options = {.version = kVersion,
                            .allow_repository_control = c.model_control_mode == "explicit"},
                .shared_memory = c.enable_shared_memory ? &shared_memory : nullptr} {
    for (const auto& backend : backends) {
      auto* pipelines = dynamic_cast<serving::PipelineBackend*>(backend.get());
      if (pipelines) pipelines->connect(store, workers);
    }
    api::add_public_routes(public_routes, context);
    api::add_admin_routes(admin_routes, context);
    public_server = std::make_unique<net::HttpServer>(listener(c, "http", c.port), public_routes,
                                                      workers, metrics);
    admin_server = std::make_unique<net::HttpServer>(listener(c, "admin", c.admin_port),
                                                     admin_routes, workers, metrics);
    if (!c.enable_grpc) return;
    grpc_server =
        api::make_grpc_server({.host = c.host,
                               .port = static_cast<std::uint16_t>(c.grpc_port),
                               .max_calls = static_cast<std::size_t>(c.max_concurrent_requests)},
                              context, workers);
  }

  const ServeConfig config;
  Metrics metrics;
  TraceLog traces{{.capacity = kTraces, .every = config.trace_every}};
  std::vector<std::unique_ptr<Backend>> backends;
  WorkerPool workers;
  serving::ModelStore store;
  serving::Admission admission;
  serving::TextService text;
  serving::TensorService tensors;
  serving::ImageService images;
  serving::SharedMemory shared_memory;
  api::ApiContext context;
  net::Router public_routes, admin_routes;
  std::unique_ptr<net::HttpServer> public_server, admin_server;
  std::unique_ptr<api::GrpcServer> grpc_server;  // null where it is not served
  bool stopped = false;
};

Server::Server(const ServeConfig& config) : parts_(std::make_unique<Parts>(config)) {}

Server::~Server() {
  stop();
}

Status Server::start() {
  if (Status done = parts_->admin_server->start(); !done) return done;
  if (Status done = parts_->public_server->start(); !done) return done;
  if (parts_->grpc_server) {
    if (Status done = parts_->grpc_server->start(); !done) return done;
  }
  return parts_->store.open();
}

void Server::stop() {
  if (parts_->stopped) return;
  parts_->stopped = true;
  // Readiness turns off and new requests are refused, politely; running ones may end.
  const std::chrono::seconds grace(parts_->config.shutdown_timeout);
  parts_->admission.close();
  if (!parts_->admission.wait_until_empty(grace)) {
    parts_->text.end_all({.kind = ErrorKind::unavailable,
                          .message = "The server is shutting down; send the request again.",
                          .code = "server_shutdown"});
  }
  if (parts_->grpc_server) parts_->grpc_server->stop(std::chrono::seconds(1));
  parts_->public_server->stop(std::chrono::seconds(1));
  parts_->admin_server->stop(std::chrono::seconds(1));
  // Closed connections cancelled their requests; engines drop them at the next step.
  if (!parts_->admission.wait_until_empty(kLastRequests)) {
    log_error("requests did not end within {} s of being cancelled: an engine is stuck",
              kLastRequests.count());
    std::_Exit(kExitStuck);
  }
  parts_->workers.wait_idle();
}

std::uint16_t Server::port() const {
  return parts_->public_server->port();
}
std::uint16_t Server::admin_port() const {
  return parts_->admin_server->port();
}
std::uint16_t Server::grpc_port() const {
  return parts_->grpc_server ? parts_->grpc_server->port() : std::uint16_t{0};
}
std::int64_t Server::memory_limit() const {
  return parts_->store.memory().limit();
}
serving::ModelStore& Server::store() {
  return parts_->store;
}

}  // namespace millrace::app
