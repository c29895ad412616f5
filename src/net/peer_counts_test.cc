#include "net/peer_counts.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <vector>

#include "net/raw_peer.h"

namespace millrace::net {
namespace {

struct Pair {
  explicit Pair(const char* host) {
    auto listener = listen_tcp(host, 0);
    EXPECT_TRUE(listener);
    auto socket = connect_tcp(host, listener->port, Clock::now() + 5s);
    EXPECT_TRUE(socket);
    client = std::move(*socket);
    server = UniqueFd(::accept(listener->fd.get(), nullptr, nullptr));
  }
  UniqueFd client, server;
};

TEST(PeerCounts, admits_so_many_an_address_until_one_leaves) {
  PeerCounts counts(2, true);
  Pair pair("127.0.0.1");
  auto first = counts.admit(pair.server.get());
  auto second = counts.admit(pair.server.get());
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(counts.admit(pair.server.get()));
  first.reset();
  EXPECT_TRUE(counts.admit(pair.server.get()));
}

TEST(PeerCounts, spares_loopback_unless_told) {
  PeerCounts counts(0, false);
  Pair pair("127.0.0.1");
  EXPECT_TRUE(counts.admit(pair.server.get()));
  EXPECT_FALSE(PeerCounts(0, true).admit(pair.server.get()));
}

TEST(PeerCounts, tickets_may_outlive_it) {
  Pair pair("127.0.0.1");
  std::shared_ptr<void> ticket;
  {
    PeerCounts counts(1, true);
    ticket = counts.admit(pair.server.get());
  }
  ticket.reset();
}

TEST(PeerCounts, holds_at_the_server) {
  HttpLimits limits;
  limits.max_connections_per_ip = 2;
  limits.count_loopback = true;
  TestServer server(limits);
  server.start();
  const std::string get = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";
  RawPeer first(server.port());
  {
    RawPeer second(server.port());
    for (RawPeer* peer : {&first, &second}) {
      peer->send(get);
      EXPECT_EQ(peer->read_response().status, 200);
    }
    RawPeer third(server.port());
    EXPECT_EQ(third.read_to_end(), "");
    EXPECT_TRUE(third.ended());
  }
  ASSERT_TRUE(eventually([&] { return server.server().num_connections() == 1; }));
  RawPeer next(server.port());
  next.send(get);
  EXPECT_EQ(next.read_response().status, 200);
}

}  // namespace
}  // namespace millrace::net
