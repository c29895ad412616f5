#include "loadgen/load_client.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "loadgen/client_connection.h"
#include "net/socket.h"

namespace millrace::loadgen {

Result<PeerAddress> find_peer(const std::string& host, std::uint16_t port,
                              std::chrono::milliseconds timeout) {
  auto socket = net::connect_tcp(host, port, Clock::now() + timeout);
  if (!socket) return pass(socket);
  PeerAddress peer;
  peer.size = sizeof peer.storage;
  if (::getpeername(socket->get(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.size) != 0)
    return fail(ErrorKind::unavailable, std::string("getpeername: ") + std::strerror(errno));
  return peer;
}

LoadClient::LoadClient(net::EventLoop& loop, const PeerAddress& peer, double timeout_seconds,
                       Done done)
    : loop_(loop), peer_(peer), timeout_seconds_(timeout_seconds), done_(std::move(done)) {}

LoadClient::~LoadClient() {
  abandon_all();
}

void LoadClient::send(std::string request, RequestRecord record) {
  if (idle_.empty()) return send_afresh(std::move(request), std::move(record));
  ClientConnection* connection = idle_.back();
  idle_.pop_back();
  ++num_in_flight_;
  record.sent = now();
  connection->begin(std::move(request), std::move(record));
}

void LoadClient::send_afresh(std::string request, RequestRecord record) {
  record.sent = now();
  auto connection = std::make_shared<ClientConnection>(*this);
  const int error = connection->open(peer_);
  if (error != 0 || !loop_.add(connection->fd(), EPOLLIN | EPOLLOUT, connection.get())) {
    record.failure = Failure::connect;
    record.error_text = std::strerror(error != 0 ? error : errno);
    record.finished = now();
    return done_(std::move(record));
  }
  ++num_in_flight_;
  connections_.emplace(connection.get(), connection);
  connection->begin(std::move(request), std::move(record));
}

void LoadClient::finished(ClientConnection& connection, RequestRecord&& record, bool reusable) {
  --num_in_flight_;
  if (reusable) {
    idle_.push_back(&connection);
  } else {
    drop(connection);
  }
  done_(std::move(record));
}

// Kept alive until the round is over: the loop may still hold an event for it.
void LoadClient::drop(ClientConnection& connection) {
  const auto found = connections_.find(&connection);
  if (found == connections_.end()) return;
  std::erase(idle_, &connection);
  loop_.remove(connection.fd());
  connection.close();
  loop_.defer_destroy(std::move(found->second));
  connections_.erase(found);
}

void LoadClient::sweep() {
  const double at = now();
  std::vector<std::shared_ptr<ClientConnection>> all;
  all.reserve(connections_.size());
  for (const auto& [pointer, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->time_out(at, timeout_seconds_);
}

void LoadClient::abandon_all() {
  while (!connections_.empty()) drop(*connections_.begin()->first);
  num_in_flight_ = 0;
}

}  // namespace millrace::loadgen
