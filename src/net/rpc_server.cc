#include "net/rpc_server.h"

#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/worker_pool.h"
#include "net/acceptor.h"
#include "net/rpc_connection.h"

namespace millrace::net {
namespace {

constexpr std::chrono::milliseconds kTick{500};

}  // namespace

struct RpcServer::State {
  State(RpcServerOptions options, RpcService& service)
      : core(std::make_shared<RpcCore>(std::move(options), service)),
        acceptor(
            core->options.limits.max_connections_per_ip, core->options.limits.count_loopback,
            [this](UniqueFd socket, std::shared_ptr<void> ticket) {
              if (core->num_connections >= core->options.limits.max_connections) return;
              auto stream = std::make_unique<TcpStream>(std::move(socket));
              std::make_shared<RpcConnection>(core, std::move(stream), std::move(ticket))->open();
            }) {}

  template <class Action>
  void for_each_connection(Action action) const {
    std::vector<std::shared_ptr<RpcConnection>> all;
    for (const auto& [key, connection] : core->connections) all.push_back(connection);
    for (const auto& connection : all) action(*connection);
  }
  void on_tick() {
    acceptor.on_tick();
    const TimePoint now = Clock::now();
    for_each_connection([now](RpcConnection& connection) { connection.on_tick(now); });
    if (core->connections.empty()) core->loop.want_ticks(false);
  }

  std::shared_ptr<RpcCore> core;
  Acceptor acceptor;
  std::thread thread;
};

RpcServer::RpcServer(RpcServerOptions options, RpcService& service)
    : state_(std::make_unique<State>(std::move(options), service)) {}

RpcServer::~RpcServer() {
  stop(std::chrono::milliseconds(0));
}

Status RpcServer::start() {
  State& state = *state_;
  MILLRACE_CHECK(!state.thread.joinable());
  EventLoop& loop = state.core->loop;
  if (Status opened = loop.open(); !opened) return opened;
  const RpcServerOptions& options = state.core->options;
  if (Status open = state.acceptor.open(loop, options.host, options.port); !open) return open;
  state.thread = std::thread([&state] {
    name_this_thread("grpc-io");
    state.core->loop.run(kTick, [&] { state.on_tick(); }, [] {});
  });
  return {};
}

std::uint16_t RpcServer::port() const {
  return state_->acceptor.port();
}

void RpcServer::stop(std::chrono::milliseconds grace) {
  State& state = *state_;
  if (!state.thread.joinable()) return;
  EventLoop& loop = state.core->loop;
  loop.post([&] {
    state.acceptor.close();
    state.for_each_connection([](RpcConnection& connection) { connection.drain(); });
  });
  const TimePoint end = Clock::now() + grace;
  while (state.core->num_connections > 0 && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  loop.post(
      [&] { state.for_each_connection([](RpcConnection& connection) { connection.close(); }); });
  loop.stop();
  state.thread.join();
}

}  // namespace millrace::net
