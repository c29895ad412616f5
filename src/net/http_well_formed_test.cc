// The other side of strictness: what must not be refused, and leaves the connection usable.
#include <vector>

#include "net/raw_peer.h"

namespace millrace::net {
namespace {

constexpr const char* kGood = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";

struct Accepted {
  std::string bytes;
  int status;
  std::string body;
};

TEST(HttpWellFormed, is_answered_and_kept_open) {
  TestServer server;
  server.start();
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string get = "GET /ok HTTP/1.1\r\n";
  std::string many;
  std::string many_body;
  for (int i = 0; i < 65'536; ++i) {
    many += "1\r\nx\r\n";
    many_body += 'x';
  }
  const std::vector<Accepted> cases = {
      {kGood, 200, "{}"},
      {"\r\n" + std::string(kGood), 200, "{}"},
      {get + "host:a\r\n\r\n", 200, "{}"},
      {get + "Host: a:80\r\n\r\n", 200, "{}"},
      {get + "Host: [::1]:80\r\n\r\n", 200, "{}"},
      {get + "Host:\t a \r\nX:\r\n\r\n", 200, "{}"},
      {get + "Host: a\r\nX: \xC3\xA9\tb\r\nX: again\r\n\r\n", 200, "{}"},
      {get + "Host: a\r\nMy_Field: b\r\n\r\n", 200, "{}"},
      {get + "Host: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n", 200, "{}"},
      {get + "Host: a\r\nContent-Encoding: identity\r\n\r\n", 200, "{}"},
      {get + "Host: a\r\nX: " + std::string(8'000, 'x') + "\r\n\r\n", 200, "{}"},
      {"GET /ok?a=1&b=[2]&c=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 200, "{}"},
      {"GET /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 200, "{}"},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:5\r\n\r\nhello", 200, "hello"},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200, ""},
      {"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", 200, ""},
      {chunked + "5\r\nhello\r\n0\r\n\r\n", 200, "hello"},
      {chunked + "0000000000000005;a=\"b;\\\"\";c;d=e\r\nhello\r\n000\r\n\r\n", 200, "hello"},
      {chunked + "1\r\nh\r\n4\r\nello\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", 200, "hello"},
      {chunked + "5;" + std::string(256, 'x') + "\r\nhello\r\n0\r\n\r\n", 200, "hello"},
      {chunked + "A\r\n0123456789\r\n0\r\n\r\n", 200, "0123456789"},
      {chunked + many + "0\r\n\r\n", 200, many_body},
      {"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
      {"GET /ok/ HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
      {"GET /OK HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
      {"GET /o%6B HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, ""},
      {"TRACE /ok HTTP/1.1\r\nHost: a\r\n\r\n", 405, ""},
      {"get /ok HTTP/1.1\r\nHost: a\r\n\r\n", 405, ""},
      {"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, ""},
  };
  for (const bool dribbled : {false, true}) {
    RawPeer peer(server.port());
    for (const Accepted& test : cases) {
      SCOPED_TRACE(test.bytes.substr(0, 120));
      if (dribbled) {
        peer.dribble(test.bytes);
      } else {
        peer.send(test.bytes);
      }
      const auto answer = peer.read_response();
      ASSERT_EQ(answer.status, test.status);
      if (test.status == 200) {
        EXPECT_EQ(answer.body, test.body);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::net
