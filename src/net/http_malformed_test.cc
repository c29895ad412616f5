// Requests that must be refused, on raw sockets: each whole, dribbled byte by byte, and pipelined
// after a valid request. One answer with exactly that status, then the end of the connection.
#include <vector>

#include "net/malformed_requests.h"
#include "net/raw_peer.h"

namespace millrace::net {
namespace {

constexpr const char* kGood = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";

enum class Manner { whole, dribbled, pipelined };

std::string label(const MalformedRequest& test, Manner manner) {
  const char* how = manner == Manner::whole      ? "whole"
                    : manner == Manner::dribbled ? "dribbled"
                                                 : "pipelined";
  return test.group + ": " + test.name.substr(0, 60) + " (" + how + ")";
}

void expect_refused(std::uint16_t port, const MalformedRequest& test, Manner manner) {
  SCOPED_TRACE(label(test, manner));
  RawPeer peer(port);
  if (manner == Manner::dribbled) {
    peer.dribble(test.bytes);
  } else {
    peer.send(manner == Manner::pipelined ? kGood + test.bytes : test.bytes);
  }
  if (manner == Manner::pipelined) {
    ASSERT_EQ(peer.read_response().status, 200);
  }
  const auto answer = peer.read_response();
  EXPECT_EQ(answer.status, test.status);
  EXPECT_EQ(answer.headers.contains("allow"), answer.status == 405);
  const std::string more = peer.read_to_end();
  EXPECT_EQ(more, "");
  EXPECT_TRUE(peer.ended());
}

class HttpMalformed : public ::testing::TestWithParam<Manner> {};

TEST_P(HttpMalformed, is_refused_and_closed) {
  std::atomic<int> num_smuggled = 0;
  TestServer server;
  server.route("GET", "/smuggled", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    ++num_smuggled;
    respond->send({.status = 200});
  });
  server.start();
  const std::vector<MalformedRequest> cases = malformed_requests();
  EXPECT_GE(cases.size(), 180U);
  RawPeer bystander(server.port());
  for (const MalformedRequest& test : cases) {
    expect_refused(server.port(), test, GetParam());
    RawPeer next(server.port());
    next.send(kGood);
    ASSERT_EQ(next.read_response().status, 200) << "after " << label(test, GetParam());
  }
  EXPECT_EQ(num_smuggled, 0);
  bystander.send(kGood);
  EXPECT_EQ(bystander.read_response().status, 200);
  EXPECT_EQ(server.metrics().expose().find("status=\"5"),
            server.metrics().expose().find("status=\"505"));
}

INSTANTIATE_TEST_SUITE_P(Each, HttpMalformed,
                         ::testing::Values(Manner::whole, Manner::dribbled, Manner::pipelined));

}  // namespace
}  // namespace millrace::net
