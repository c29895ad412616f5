#include "net/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

namespace millrace::net {
namespace {

constexpr int kBacklog = 4096;

Result<Listener> listen_on(const addrinfo& address) {
  Listener listener;
  listener.fd =
      UniqueFd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  const auto failed = [](const char* what) {
    return fail(ErrorKind::unavailable, std::string(what) + ": " + std::strerror(errno));
  };
  if (!listener.fd) return failed("socket");
  ::setsockopt(listener.fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(listener.fd.get(), address.ai_addr, address.ai_addrlen) != 0) return failed("bind");
  if (::listen(listener.fd.get(), kBacklog) != 0) return failed("listen");
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return failed("getsockname");
  }
  listener.port =
      ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                        : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  return listener;
}

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  // RFC 6761 §6.3: "localhost" is loopback, whatever a name server (or a missing /etc/hosts) says.
  const char* node = host.empty() ? nullptr : host == "localhost" ? "127.0.0.1" : host.c_str();
  const int code = ::getaddrinfo(node, std::to_string(port).c_str(), &hints, &found);
  if (code != 0) return fail(ErrorKind::invalid_argument, ::gai_strerror(code));
  return AddressList(found, &::freeaddrinfo);
}

Result<UniqueFd> connect_to(const addrinfo& address, TimePoint deadline) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int error = 0;
  if (!fd || ::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) error = errno;
  if (error == EINPROGRESS) {
    auto ready = wait_for_socket(fd.get(), POLLOUT, deadline);
    if (!ready) return pass(ready);
    socklen_t size = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) return fail(ErrorKind::unavailable, std::strerror(error));
  set_no_delay(fd.get());
  return fd;
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

ssize_t TcpStream::read(char* data, std::size_t size) {
  ssize_t n = 0;
  do {
    n = ::recv(fd_.get(), data, size, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n;
}

ssize_t TcpStream::write(const iovec* parts, std::size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  ssize_t n = 0;
  do {
    n = count == 1 ? ::send(fd_.get(), parts->iov_base, parts->iov_len, flags)
                   : ::sendmsg(fd_.get(), &message, flags);
  } while (n < 0 && errno == EINTR);
  return n;
}

void TcpStream::end_of_output() {
  ::shutdown(fd_.get(), SHUT_WR);
}

Result<Listener> listen_tcp(const std::string& host, std::uint16_t port) {
  const std::string where = "cannot listen on " + host + ":" + std::to_string(port) + ": ";
  auto addresses = look_up(host, port, AI_PASSIVE);
  if (!addresses) return invalid(where + addresses.error().message);
  Result<Listener> result = fail(ErrorKind::unavailable, "no address");
  for (const addrinfo* address = addresses->get(); address && !result; address = address->ai_next) {
    result = listen_on(*address);
  }
  if (!result) result.error().message.insert(0, where);
  return result;
}

Result<UniqueFd> connect_tcp(const std::string& host, std::uint16_t port, TimePoint deadline) {
  const std::string where = "cannot connect to " + host + ":" + std::to_string(port) + ": ";
  auto addresses = look_up(host, port, 0);
  if (!addresses) return fail(ErrorKind::unavailable, where + addresses.error().message);
  Result<UniqueFd> result = fail(ErrorKind::unavailable, "no address");
  for (const addrinfo* address = addresses->get(); address && !result; address = address->ai_next) {
    result = connect_to(*address, deadline);
  }
  if (!result) result.error().message.insert(0, where);
  return result;
}

Result<short> wait_for_socket(int fd, short events, TimePoint deadline) {
  while (true) {
    pollfd wait{.fd = fd, .events = events, .revents = 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const int count =
        ::poll(&wait, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
    if (count > 0) return wait.revents;
    if (count == 0 && left.count() <= 60'000)
      return fail(ErrorKind::deadline_exceeded, "timed out");
    if (count < 0 && errno != EINTR) return fail(ErrorKind::internal, std::strerror(errno));
  }
}

void set_no_delay(int fd) {
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void set_reset_on_close(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace millrace::net
