#include "loadgen/client_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

namespace millrace::loadgen {

ClientConnection::Exchange::Exchange(std::string bytes, RequestRecord&& first)
    : request(std::move(bytes)),
      record(std::move(first)),
      parser(false, std::numeric_limits<std::size_t>::max()),
      reader(record) {}

int ClientConnection::open(const PeerAddress& peer) {
  const auto* address = reinterpret_cast<const sockaddr*>(&peer.storage);
  fd_ = net::UniqueFd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return errno;
  net::set_no_delay(fd_.get());
  if (::connect(fd_.get(), address, peer.size) != 0 && errno != EINPROGRESS) return errno;
  return 0;
}

void ClientConnection::begin(std::string request, RequestRecord record) {
  exchange_.emplace(std::move(request), std::move(record));
  if (connected_) write_some();
}

void ClientConnection::on_events(std::uint32_t events) {
  if (!fd_) return;  // closed in this round
  if (!connected_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return lost(Failure::connect, error);
    connected_ = true;
    watch(EPOLLIN);
    if (exchange_) write_some();
  } else if ((events & EPOLLOUT) != 0 && exchange_) {
    write_some();
  }
  if (fd_ && connected_ && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) read_some();
}

void ClientConnection::write_some() {
  Exchange& exchange = *exchange_;
  while (exchange.num_sent < exchange.request.size()) {
    const ssize_t sent =
        ::send(fd_.get(), exchange.request.data() + exchange.num_sent,
               exchange.request.size() - exchange.num_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      exchange.num_sent += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      return watch(EPOLLIN | EPOLLOUT);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return watch(EPOLLIN);  // an early answer may be there to read
    } else if (errno != EINTR) {
      return lost(Failure::disconnected, errno);
    }
  }
  watch(EPOLLIN);
}

void ClientConnection::watch(std::uint32_t events) {
  if (events == watched_) return;
  client_.loop_.modify(fd_.get(), events, this);
  watched_ = events;
}

void ClientConnection::read_some() {
  std::vector<char>& buffer = client_.loop_.scratch();
  while (fd_) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
      take(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
      if (static_cast<std::size_t>(got) < buffer.size()) return;
    } else if (got == 0) {
      return end_of_input();
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      return lost(Failure::disconnected, errno);
    }
  }
}

void ClientConnection::take(std::string_view bytes) {
  if (!exchange_) return client_.drop(*this);  // nobody asked for anything
  Exchange& exchange = *exchange_;
  using Phase = net::ResponseParser::Phase;
  exchange.any_bytes = true;
  const double now = client_.now();
  exchange.parser.feed(bytes);
  if (exchange.parser.phase() == Phase::failed) return lost(Failure::malformed, 0);
  if (exchange.parser.phase() == Phase::head) return;
  if (!std::exchange(exchange.begun, true)) {
    const auto type = exchange.parser.headers().find("content-type");
    const bool known = type != exchange.parser.headers().end();
    exchange.reader.begin(exchange.parser.status(), known ? type->second : "");
  }
  const std::size_t before = exchange.record.token_times.size();
  const bool more = exchange.reader.feed(exchange.parser.body(), now);
  client_.num_tokens_ += exchange.record.token_times.size() - before;
  exchange.parser.body().clear();
  if (exchange.parser.phase() == Phase::done) return complete(exchange.parser.keep_alive());
  if (!more && !exchange.record.ok()) complete(false);
}

void ClientConnection::end_of_input() {
  if (!exchange_) return client_.drop(*this);  // an idle connection, closed by the server
  Exchange& exchange = *exchange_;
  exchange.parser.end_of_input();
  const bool whole = exchange.parser.phase() == net::ResponseParser::Phase::done;
  if (whole || exchange.reader.done()) return complete(false);
  lost(Failure::disconnected, 0);
}

void ClientConnection::complete(bool reusable) {
  Exchange& exchange = *exchange_;
  exchange.reader.end(client_.now());
  RequestRecord record = std::move(exchange.record);
  exchange_.reset();
  used_before_ = true;
  client_.finished(*this, std::move(record), reusable);
}

void ClientConnection::lost(Failure failure, int error) {
  if (!exchange_) return client_.drop(*this);
  Exchange& exchange = *exchange_;
  RequestRecord record = std::move(exchange.record);
  if (failure == Failure::disconnected && used_before_ && !exchange.any_bytes) {
    // The server closed the idle connection as we wrote: not the request's fault.
    std::string request = std::move(exchange.request);
    exchange_.reset();
    --client_.num_in_flight_;
    client_.drop(*this);
    return client_.send_afresh(std::move(request), std::move(record));
  }
  record.failure = failure;
  if (record.error_text.empty())
    record.error_text = error != 0 ? std::strerror(error) : exchange.parser.error();
  record.finished = client_.now();
  exchange_.reset();
  client_.finished(*this, std::move(record), false);
}

void ClientConnection::time_out(double now, double timeout_seconds) {
  if (!exchange_ || now - exchange_->record.sent < timeout_seconds) return;
  exchange_->record.error_text = "timed out";
  lost(Failure::timeout, 0);
}

}  // namespace millrace::loadgen
