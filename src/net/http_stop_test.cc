// Stopping: what runs is answered, what is new is refused, and the time is bounded.
#include <vector>

#include "net/raw_peer.h"

namespace millrace::net {
namespace {

double seconds_to_stop(TestServer& server, std::chrono::milliseconds grace) {
  const TimePoint start = Clock::now();
  server.stop(grace);
  return seconds_between(start, Clock::now());
}

bool can_connect(std::uint16_t port) {
  return connect_tcp("127.0.0.1", port, Clock::now() + 1s).has_value();
}

TEST(HttpStop, closes_idle_connections_at_once) {
  TestServer server;
  server.start();
  RawPeer silent(server.port());
  RawPeer used(server.port());
  used.send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(used.read_response().status, 200);
  EXPECT_TRUE(eventually([&] { return server.server().num_connections() == 2; }));
  EXPECT_LT(seconds_to_stop(server, 10s), 1);
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_EQ(used.read_to_end(), "");
  EXPECT_FALSE(can_connect(server.port()));
}

TEST(HttpStop, answers_what_is_running) {
  TestServer server({}, 8);
  std::atomic<int> num_running = 0;
  server.route("GET", "/slow", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    ++num_running;
    std::this_thread::sleep_for(300ms);
    respond->send({.status = 200, .body = "done"});
  });
  server.route("GET", "/stream", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->start(200, "text/plain");
    ++num_running;
    for (int i = 0; i < 30; ++i) {
      respond->write("x");
      std::this_thread::sleep_for(10ms);
    }
    respond->finish();
  });
  server.start();
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 6; ++i) {
    peers.push_back(std::make_unique<RawPeer>(server.port()));
    peers.back()->send("GET " + std::string(i % 2 ? "/slow" : "/stream") +
                       " HTTP/1.1\r\nHost: a\r\n\r\nGET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  EXPECT_TRUE(eventually([&] { return num_running == 6; }));
  std::vector<std::thread> readers;
  std::atomic<int> num_whole = 0;
  for (int i = 0; i < 6; ++i) {
    readers.emplace_back([&, i] {
      RawPeer& peer = *peers[static_cast<std::size_t>(i)];
      const auto answer = peer.read_response();
      num_whole += answer.body == (i % 2 ? "done" : std::string(30, 'x'));
      if (i % 2) {
        EXPECT_EQ(answer.headers.find("connection")->second, "close");
      }
      EXPECT_EQ(peer.read_to_end(), "");
      peer.close();
    });
  }
  const double seconds = seconds_to_stop(server, 10s);
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(num_whole, 6);
  EXPECT_LT(seconds, 3);
}

TEST(HttpStop, waits_no_longer_than_the_grace) {
  TestServer server;
  std::atomic<int> num_gone = 0;
  std::shared_ptr<Responder> kept;
  std::atomic<bool> arrived = false;
  server.route("GET", "/never", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->on_disconnect([&] { ++num_gone; });
    kept = respond;
    arrived = true;
  });
  server.start();
  RawPeer peer(server.port());
  peer.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  RawPeer half(server.port());
  half.send("GET /ok HTT");
  EXPECT_TRUE(eventually([&] { return arrived.load(); }));
  const double seconds = seconds_to_stop(server, 200ms);
  EXPECT_GE(seconds, 0.2);
  EXPECT_LT(seconds, 1.5);
  EXPECT_EQ(num_gone, 1);
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_EQ(half.read_to_end(), "");
  // A responder may outlive the server.
  EXPECT_TRUE(kept->disconnected());
  kept->send({.status = 200});
  kept->start(200, "text/plain");
  EXPECT_FALSE(kept->write("x"));
  kept->finish();
}

TEST(HttpStop, may_be_repeated_and_needs_no_start) {
  TestServer server;
  server.stop();
  server.start();
  server.stop(10ms);
  server.stop(10ms);
  Router router;
  HttpServer never({}, router, server.workers(), server.metrics());
  never.stop(10ms);
}

TEST(HttpStop, under_load_loses_no_answer_that_was_begun) {
  for (int round = 0; round < 5; ++round) {
    TestServer server({}, 4);
    server.options().num_io_threads = 2;
    std::atomic<int> num_handled = 0;
    server.route("GET", "/count", [&](HttpRequest, std::shared_ptr<Responder> respond) {
      ++num_handled;
      respond->send({.status = 200});
    });
    server.start();
    std::atomic<int> num_answers = 0;
    std::vector<std::thread> clients;
    std::vector<std::unique_ptr<RawPeer>> peers;
    for (int c = 0; c < 6; ++c) peers.push_back(std::make_unique<RawPeer>(server.port()));
    for (int c = 0; c < 6; ++c) {
      clients.emplace_back([&num_answers, &peer = *peers[static_cast<std::size_t>(c)]] {
        while (peer.send("GET /count HTTP/1.1\r\nHost: a\r\n\r\n")) {
          if (peer.read_response().status != 200) break;
          ++num_answers;
        }
        peer.close();
      });
    }
    ASSERT_TRUE(eventually([&] { return num_answers > 200; }));
    server.stop(5s);
    for (auto& client : clients) client.join();
    EXPECT_EQ(num_answers, num_handled);
  }
}

}  // namespace
}  // namespace millrace::net
