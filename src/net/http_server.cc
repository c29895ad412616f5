#include "net/http_server.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "net/acceptor.h"
#include "net/connection.h"
#include "net/event_loop.h"
#include "net/socket.h"

namespace millrace::net {
namespace {

// Above max_connections this many more are told so with 503; beyond, they are closed unheard.
constexpr std::size_t kMaxRefusals = 64;

std::chrono::milliseconds tick_interval(const HttpLimits& limits) {
  const auto shortest = std::min({limits.header_timeout, limits.body_window, limits.idle_timeout,
                                  limits.write_stall_timeout, limits.linger_timeout});
  return std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(500));
}

}  // namespace

struct HttpServer::State {
  State(HttpServerOptions opts, const Router& routes, WorkerPool& pool, Metrics& registry)
      : core(std::make_shared<ServerCore>(std::move(opts), routes, pool, registry)),
        acceptor(core->options.limits.max_connections_per_ip, core->options.limits.count_loopback,
                 [this](UniqueFd socket, std::shared_ptr<void> ticket) {
                   take(std::move(socket), std::move(ticket));
                 }) {}

  void take(UniqueFd socket, std::shared_ptr<void> ticket);
  void on_tick(IoThread& io);
  void end_round(IoThread& io);
  void for_each_connection(void (Connection::*action)());

  std::shared_ptr<ServerCore> core;
  Acceptor acceptor;  // on the first loop
  std::size_t next_io = 0;
  std::vector<std::unique_ptr<IoThread>> io;
  bool started = false;
};

// Hands connections round.
void HttpServer::State::take(UniqueFd socket, std::shared_ptr<void> ticket) {
  const std::size_t open = core->num_connections.load();
  const std::size_t limit = core->options.limits.max_connections;
  if (open >= limit + kMaxRefusals) return;
  IoThread& target = *io[next_io++ % io.size()];
  auto connection = std::make_shared<Connection>(
      core, target, std::make_unique<TcpStream>(std::move(socket)), std::move(ticket));
  const bool over_limit = open >= limit;
  if (&target == io.front().get()) return connection->open(over_limit);
  target.loop.post([connection, over_limit] { connection->open(over_limit); });
}

void HttpServer::State::on_tick(IoThread& thread) {
  if (&thread == io.front().get()) acceptor.on_tick();
  const TimePoint now = Clock::now();
  std::vector<std::shared_ptr<Connection>> expired;
  for (const auto& [key, connection] : thread.connections) {
    if (connection->expired(now)) expired.push_back(connection);
  }
  for (const auto& connection : expired) connection->on_tick(now);
}

void HttpServer::State::end_round(IoThread& thread) {
  thread.send_unsent();
  for (auto& handler : thread.ready) core->workers.post(std::move(handler));
  thread.ready.clear();
}

void HttpServer::State::for_each_connection(void (Connection::*action)()) {
  for (const auto& thread : io) {
    thread->loop.post([thread = thread.get(), action] {
      std::vector<std::shared_ptr<Connection>> all;
      for (const auto& [key, connection] : thread->connections) all.push_back(connection);
      for (const auto& connection : all) (connection.get()->*action)();
    });
  }
}

HttpServer::HttpServer(HttpServerOptions options, const Router& router, WorkerPool& workers,
                       Metrics& metrics)
    : state_(std::make_unique<State>(std::move(options), router, workers, metrics)) {}

HttpServer::~HttpServer() {
  stop(std::chrono::milliseconds(0));
}

Status HttpServer::start() {
  State& state = *state_;
  MILLRACE_CHECK(!state.started && state.io.empty());
  const HttpServerOptions& options = state.core->options;
  std::vector<std::unique_ptr<IoThread>> threads;
  for (std::size_t i = 0; i < std::max<std::size_t>(options.num_io_threads, 1); ++i) {
    auto opened = threads.emplace_back(std::make_unique<IoThread>())->loop.open();
    if (!opened) return pass(opened);
  }
  auto listening = state.acceptor.open(threads.front()->loop, options.host, options.port);
  if (!listening) return listening;
  state.io = std::move(threads);
  state.started = true;
  const auto interval = tick_interval(options.limits);
  for (std::size_t i = 0; i < state.io.size(); ++i) {
    IoThread* thread = state.io[i].get();
    const std::string name = options.name + "-io-" + std::to_string(i);
    thread->thread = std::thread([&state, thread, name, interval] {
      name_this_thread(name.c_str());
      thread->loop.run(
          interval, [&] { state.on_tick(*thread); }, [&] { state.end_round(*thread); });
    });
  }
  return {};
}

std::uint16_t HttpServer::port() const {
  return state_->acceptor.port();
}

std::size_t HttpServer::num_connections() const {
  return state_->core->num_connections.load();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  State& state = *state_;
  if (!std::exchange(state.started, false)) return;
  state.core->draining.store(true);
  state.io.front()->loop.post([&] { state.acceptor.close(); });
  state.for_each_connection(&Connection::drain);
  const TimePoint end = Clock::now() + grace;
  while (num_connections() > 0 && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  state.for_each_connection(&Connection::close);
  for (const auto& thread : state.io) thread->loop.stop();
  for (const auto& thread : state.io) thread->thread.join();
}

}  // namespace millrace::net
