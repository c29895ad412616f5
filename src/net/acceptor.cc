#include "net/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace millrace::net {
namespace {

constexpr int kAcceptsPerRound = 64;

UniqueFd spare_fd() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

Acceptor::Acceptor(std::size_t max_each_peer, bool count_loopback, Accepted accepted)
    : accepted_(std::move(accepted)), peers_(max_each_peer, count_loopback) {}

Status Acceptor::open(EventLoop& loop, const std::string& host, std::uint16_t port) {
  auto listener = listen_tcp(host, port);
  if (!listener) return pass(listener);
  if (!loop.add(listener->fd.get(), EPOLLIN, this)) {
    return fail(ErrorKind::internal, "epoll refused the listening socket");
  }
  loop_ = &loop;
  listener_ = std::move(*listener);
  spare_ = spare_fd();
  listening_ = true;
  return {};
}

void Acceptor::on_events(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    const int fd = ::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      accept_one(fd);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return shed();
    if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

void Acceptor::accept_one(int fd) {
  UniqueFd owned(fd);
  auto ticket = peers_.admit(fd);
  if (!ticket) return;
  set_no_delay(fd);
  accepted_(std::move(owned), std::move(ticket));
}

// Out of descriptors: closes one waiting client with the spare, or rests until the next tick, so
// that a readable listener never spins.
void Acceptor::shed() {
  if (spare_) {
    spare_.reset();
    UniqueFd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    spare_ = spare_fd();
    if (spare_) return;
  }
  loop_->modify(listener_.fd.get(), 0, this);
  listening_ = false;
  loop_->want_ticks(true);
}

void Acceptor::on_tick() {
  if (listening_ || !listener_.fd) return;
  if (!spare_) spare_ = spare_fd();
  listening_ = true;
  loop_->modify(listener_.fd.get(), EPOLLIN, this);
}

void Acceptor::close() {
  if (!listener_.fd) return;
  loop_->remove(listener_.fd.get());
  listener_.fd.reset();
}

}  // namespace millrace::net
