#include "net/http_server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "net/connection.h"
#include "net/event_loop.h"
#include "net/peer_counts.h"
#include "net/socket.h"

namespace millrace::net {
namespace {

constexpr int kAcceptsPerRound = 64;
// Above max_connections this many more are told so with 503; beyond, they are closed unheard.
constexpr std::size_t kMaxRefusals = 64;

std::chrono::milliseconds tick_interval(const HttpLimits& limits) {
  const auto shortest = std::min({limits.header_timeout, limits.body_window, limits.idle_timeout,
                                  limits.write_stall_timeout, limits.linger_timeout});
  return std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(500));
}

UniqueFd spare_fd() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

struct HttpServer::State final : EventLoop::Watcher {
  State(HttpServerOptions opts, const Router& routes, WorkerPool& pool, Metrics& registry)
      : core(std::make_shared<ServerCore>(std::move(opts), routes, pool, registry)),
        peers(core->options.limits.max_connections_per_ip, core->options.limits.count_loopback) {}

  void on_events(std::uint32_t events) override;
  void accept_one(int fd);
  void shed();
  void on_tick(IoThread& io);
  void end_round(IoThread& io);
  void for_each_connection(void (Connection::*action)());

  std::shared_ptr<ServerCore> core;
  PeerCounts peers;
  Listener listener;
  UniqueFd spare;          // given up for a moment to turn a client away when no descriptor is left
  bool listening = false;  // loop 0
  std::size_t next_io = 0;
  std::vector<std::unique_ptr<IoThread>> io;
  bool started = false;
};

// Accepts on the first loop, and hands connections round.
void HttpServer::State::on_events(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    const int fd = ::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      accept_one(fd);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return shed();
    if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

void HttpServer::State::accept_one(int fd) {
  UniqueFd owned(fd);
  const std::size_t open = core->num_connections.load();
  const std::size_t limit = core->options.limits.max_connections;
  if (open >= limit + kMaxRefusals) return;
  auto ticket = peers.admit(fd);
  if (!ticket) return;
  set_no_delay(fd);
  IoThread& target = *io[next_io++ % io.size()];
  auto connection = std::make_shared<Connection>(
      core, target, std::make_unique<TcpStream>(std::move(owned)), std::move(ticket));
  const bool over_limit = open >= limit;
  if (&target == io.front().get()) return connection->open(over_limit);
  target.loop.post([connection, over_limit] { connection->open(over_limit); });
}

// Out of descriptors: closes one waiting client with the spare, or rests until the next tick, so
// that a readable listener never spins.
void HttpServer::State::shed() {
  if (spare) {
    spare.reset();
    UniqueFd(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    spare = spare_fd();
    if (spare) return;
  }
  io.front()->loop.modify(listener.fd.get(), 0, this);
  listening = false;
  io.front()->loop.want_ticks(true);
}

void HttpServer::State::on_tick(IoThread& thread) {
  if (&thread == io.front().get() && !listening && listener.fd) {
    if (!spare) spare = spare_fd();
    listening = true;
    thread.loop.modify(listener.fd.get(), EPOLLIN, this);
  }
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
  auto listener = listen_tcp(options.host, options.port);
  if (!listener) return pass(listener);
  std::vector<std::unique_ptr<IoThread>> threads;
  for (std::size_t i = 0; i < std::max<std::size_t>(options.num_io_threads, 1); ++i) {
    auto opened = threads.emplace_back(std::make_unique<IoThread>())->loop.open();
    if (!opened) return pass(opened);
  }
  if (!threads.front()->loop.add(listener->fd.get(), EPOLLIN, &state)) {
    return fail(ErrorKind::internal, "epoll refused the listening socket");
  }
  state.listener = std::move(*listener);
  state.spare = spare_fd();
  state.io = std::move(threads);
  state.listening = true;
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
  return state_->listener.port;
}

std::size_t HttpServer::num_connections() const {
  return state_->core->num_connections.load();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  State& state = *state_;
  if (!std::exchange(state.started, false)) return;
  state.core->draining.store(true);
  EventLoop& first = state.io.front()->loop;
  first.post([&] {
    first.remove(state.listener.fd.get());
    state.listener.fd.reset();
  });
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
