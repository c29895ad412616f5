#include "net/http_client.h"

#include <vector>

#include "net/raw_peer.h"
#include "net/response_parser.h"
#include "net/sse.h"

namespace millrace::net {
namespace {

// Takes one connection at a time and answers each request head with fixed bytes.
class CannedServer {
 public:
  CannedServer(std::string answer, bool close_after) {
    auto listener = listen_tcp("127.0.0.1", 0);
    EXPECT_TRUE(listener);
    port_ = listener->port;
    fd_ = std::move(listener->fd);
    thread_ = std::thread([this, answer, close_after] { run(answer, close_after); });
  }
  ~CannedServer() {
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::uint16_t port() const { return port_; }

 private:
  void run(const std::string& answer, bool close_after) {
    while (wait_for_socket(fd_.get(), POLLIN, Clock::now() + 10s)) {
      UniqueFd peer(::accept(fd_.get(), nullptr, nullptr));
      if (!peer) return;
      char buffer[65536];
      while (::recv(peer.get(), buffer, sizeof buffer, 0) > 0) {
        if (::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0 || close_after)
          break;
      }
    }
  }

  UniqueFd fd_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(HttpClient, keeps_its_connection) {
  TestServer server;
  server.start();
  HttpClient client("127.0.0.1", server.port());
  for (int i = 0; i < 5; ++i) {
    const auto answer = client.post_json("/echo", "[" + std::to_string(i) + "]");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "[" + std::to_string(i) + "]");
    EXPECT_EQ(answer->headers.find("Content-Type")->second, "application/json");
  }
  EXPECT_EQ(server.server().num_connections(), 1U);
  EXPECT_EQ(client.perform({.method = "HEAD", .target = "/ok"})->status, 200);
  EXPECT_EQ(client.get("/none")->status, 404);
}

TEST(HttpClient, opens_a_closed_connection_anew) {
  HttpLimits limits;
  limits.idle_timeout = 50ms;
  TestServer server(limits);
  server.start();
  HttpClient client("localhost", server.port());
  EXPECT_TRUE(client.get("/ok"));
  EXPECT_TRUE(eventually([&] { return server.server().num_connections() == 0; }));
  EXPECT_TRUE(client.connected());
  const auto answer = client.get("/ok");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
}

TEST(HttpClient, gives_a_stream_piece_by_piece_and_stops_when_told) {
  TestServer server;
  std::atomic<bool> gone = false;
  server.route("GET", "/events", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->on_disconnect([&] { gone = true; });
    respond->start(200, "text/event-stream");
    for (int i = 0; i < 10'000 && respond->write(format_sse_event(std::to_string(i))); ++i) {
      std::this_thread::sleep_for(1ms);
    }
    respond->finish();
  });
  server.start();
  HttpClient client("127.0.0.1", server.port());
  SseParser events;
  std::vector<std::string> seen;
  const auto answer = client.perform({.target = "/events", .on_body = [&](std::string_view bytes) {
                                        return events.feed(bytes, [&](const SseEvent& event) {
                                          seen.push_back(event.data);
                                          return seen.size() < 5;
                                        });
                                      }});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(seen, (std::vector<std::string>{"0", "1", "2", "3", "4"}));
  EXPECT_FALSE(client.connected());
  EXPECT_TRUE(eventually([&] { return gone.load(); }));
}

TEST(HttpClient, gives_up_in_time) {
  TestServer server;
  std::shared_ptr<Responder> kept;
  server.route("GET", "/never",
               [&](HttpRequest, std::shared_ptr<Responder> respond) { kept = std::move(respond); });
  server.start();
  HttpClient client("127.0.0.1", server.port());
  const TimePoint start = Clock::now();
  const auto answer = client.perform({.target = "/never", .timeout = 100ms});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::deadline_exceeded);
  EXPECT_LT(seconds_between(start, Clock::now()), 2);
  EXPECT_FALSE(client.connected());
  EXPECT_TRUE(client.get("/ok"));
  server.stop();
}

TEST(HttpClient, says_that_nobody_is_there) {
  std::uint16_t port = 0;
  {
    auto listener = listen_tcp("127.0.0.1", 0);
    ASSERT_TRUE(listener);
    port = listener->port;
  }
  HttpClient client("127.0.0.1", port);
  const auto answer = client.get("/");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
  EXPECT_NE(answer.error().message.find(std::to_string(port)), std::string::npos);
  EXPECT_FALSE(HttpClient("no.such.host.invalid", 1).get("/"));
}

struct ResponseCase {
  std::string bytes;
  bool close;
  int status;  // 0: broken
  std::string body;
};

TEST(HttpClient, reads_or_refuses_what_servers_send) {
  const std::vector<ResponseCase> cases = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, 200, "hi"},
      {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 200, ""},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", false, 204, ""},
      {"HTTP/1.0 200 OK\r\n\r\nuntil the end", true, 200, "until the end"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", false, 200,
       "hi"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", true, 0, ""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", true, 0, ""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhi\r\n", false, 0, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello", false, 0, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", false, 0, ""},
      {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", false, 0, ""},
      {"HTTP/2 200 OK\r\n\r\n", false, 0, ""},
      {"HTTP/1.1 20x OK\r\n\r\n", false, 0, ""},
      {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", false, 0, ""},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n", false, 0, ""},
      {"SSH-2.0\r\n", false, 0, ""},
      {"", true, 0, ""},
  };
  for (const ResponseCase& test : cases) {
    SCOPED_TRACE(test.bytes.substr(0, 80));
    CannedServer server(test.bytes, test.close);
    HttpClient client("127.0.0.1", server.port());
    const auto answer = client.perform({.timeout = 3s, .max_body_bytes = 1'000});
    EXPECT_EQ(answer ? answer->status : 0, test.status);
    if (answer) {
      EXPECT_EQ(answer->body, test.body);
    } else {
      EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
    }

    ResponseParser parser(false, 1'000);  // and the same byte by byte
    for (const char& c : test.bytes) parser.feed(std::string_view(&c, 1));
    if (test.close) parser.end_of_input();
    EXPECT_EQ(parser.phase() == ResponseParser::Phase::done ? parser.status() : 0, test.status);
  }
}

}  // namespace
}  // namespace millrace::net
