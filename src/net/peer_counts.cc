#include "net/peer_counts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace millrace::net {
namespace {

// The bytes that identify a peer; empty for loopback and for what is not IP.
std::string peer_key(int socket, bool count_loopback) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_INET) {
    const in_addr& ip = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    const bool loopback = (ntohl(ip.s_addr) >> 24) == IN_LOOPBACKNET;
    if (loopback && !count_loopback) return {};
    return std::string(reinterpret_cast<const char*>(&ip), sizeof ip);
  }
  if (address.ss_family != AF_INET6) return {};
  const in6_addr& ip = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&ip);
  const bool loopback = IN6_IS_ADDR_LOOPBACK(&ip) || (mapped && ip.s6_addr[12] == IN_LOOPBACKNET);
  if (loopback && !count_loopback) return {};
  const auto* bytes = reinterpret_cast<const char*>(ip.s6_addr);
  return mapped ? std::string(bytes + 12, 4) : std::string(bytes, 8);
}

}  // namespace

std::shared_ptr<void> PeerCounts::admit(int socket) {
  static const std::shared_ptr<void> kUncounted = std::make_shared<char>();
  const std::string key = peer_key(socket, count_loopback_);
  if (key.empty()) return kUncounted;
  {
    std::lock_guard lock(shared_->mutex);
    std::size_t& count = shared_->counts[key];
    if (count >= max_each_) return nullptr;
    ++count;
  }
  return std::shared_ptr<void>(shared_.get(), [shared = shared_, key](void*) {
    std::lock_guard lock(shared->mutex);
    const auto found = shared->counts.find(key);
    if (--found->second == 0) shared->counts.erase(found);
  });
}

}  // namespace millrace::net
