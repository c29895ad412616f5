// A client that goes away, in every phase of a request: the handler hears of it at once.
#include <condition_variable>
#include <mutex>
#include <vector>

#include "net/raw_peer.h"

namespace millrace::net {
namespace {

enum class Cut { close, reset, half_close };
constexpr Cut kCuts[] = {Cut::close, Cut::reset, Cut::half_close};

void cut(RawPeer& peer, Cut how) {
  if (how == Cut::close) peer.close();
  if (how == Cut::reset) peer.reset();
  if (how == Cut::half_close) peer.half_close();
}

const std::string kHold = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";

// A route whose answer the test keeps: pending, or streaming after `num_chunks`.
class HeldServer {
 public:
  explicit HeldServer(int num_chunks = -1) {
    server.route("GET", "/hold", [this, num_chunks](HttpRequest, std::shared_ptr<Responder> r) {
      if (num_chunks >= 0) r->start(200, "text/plain");
      for (int i = 0; i < num_chunks; ++i) r->write("chunk");
      r->on_disconnect([this] { ++num_gone; });
      std::lock_guard lock(mutex);
      responders.push_back(std::move(r));
      arrived.notify_all();
    });
    server.start();
  }
  std::shared_ptr<Responder> wait_for_request() {
    std::unique_lock lock(mutex);
    arrived.wait_for(lock, 5s, [&] { return !responders.empty(); });
    auto responder = responders.empty() ? nullptr : std::move(responders.back());
    responders.clear();
    return responder;
  }

  std::atomic<int> num_gone = 0;
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::shared_ptr<Responder>> responders;
  TestServer server;
};

void expect_told_quickly(HeldServer& held, Responder& responder) {
  const TimePoint cut_at = Clock::now();
  EXPECT_TRUE(eventually([&] { return held.num_gone == 1; }));
  EXPECT_LT(seconds_between(cut_at, Clock::now()), 0.5);
  EXPECT_TRUE(responder.disconnected());
}

void expect_usable(TestServer& server) {
  RawPeer peer(server.port());
  peer.send("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.read_response().status, 200);
}

TEST(HttpDisconnect, is_told_while_the_answer_is_pending) {
  for (const Cut how : kCuts) {
    HeldServer held;
    RawPeer peer(held.server.port());
    peer.send(kHold);
    const auto responder = held.wait_for_request();
    ASSERT_TRUE(responder);
    EXPECT_FALSE(responder->disconnected());
    cut(peer, how);
    expect_told_quickly(held, *responder);
    responder->send({.status = 200, .body = "late"});
    if (how == Cut::half_close) {
      EXPECT_TRUE(
          peer.read_to_end().ends_with("late"));  // one that only ended its side still reads
    }
    EXPECT_TRUE(eventually([&] { return held.server.server().num_connections() == 0; }));
    EXPECT_EQ(held.num_gone, 1);
    expect_usable(held.server);
  }
}

TEST(HttpDisconnect, is_told_while_the_answer_streams) {
  for (const Cut how : kCuts) {
    HeldServer held(3);
    RawPeer peer(held.server.port());
    peer.send(kHold);
    const auto responder = held.wait_for_request();
    ASSERT_TRUE(responder);
    EXPECT_TRUE(responder->write("more"));
    cut(peer, how);
    expect_told_quickly(held, *responder);
    responder->write("late");
    responder->finish();
    peer.close();
    EXPECT_TRUE(eventually([&] { return held.server.server().num_connections() == 0; }));
    EXPECT_FALSE(responder->write("later"));
    expect_usable(held.server);
  }
}

TEST(HttpDisconnect, is_told_behind_pipelined_requests) {
  for (const Cut how : kCuts) {
    for (const std::size_t num_more : {1U, 1'300U}) {  // some bytes, and more than are read ahead
      HeldServer held;
      RawPeer peer(held.server.port());
      std::string more;
      for (std::size_t i = 0; i < num_more; ++i) more += kHold;
      peer.send(kHold);
      const auto responder = held.wait_for_request();
      ASSERT_TRUE(responder);
      peer.send(more);
      std::this_thread::sleep_for(20ms);
      cut(peer, how);
      expect_told_quickly(held, *responder);
      responder->send({.status = 200});
      EXPECT_TRUE(eventually([&] { return held.server.server().num_connections() == 0; }));
      EXPECT_TRUE(held.responders.empty()) << "a request of a client that left was begun";
    }
  }
}

TEST(HttpDisconnect, tells_a_handler_that_asks_late) {
  HeldServer held;
  RawPeer peer(held.server.port());
  peer.send(kHold);
  const auto responder = held.wait_for_request();
  ASSERT_TRUE(responder);
  peer.close();
  expect_told_quickly(held, *responder);
  bool told = false;
  responder->on_disconnect([&] { told = true; });
  EXPECT_TRUE(told);
}

TEST(HttpDisconnect, is_not_told_after_a_complete_answer) {
  HeldServer held;
  RawPeer peer(held.server.port());
  peer.send(kHold);
  const auto responder = held.wait_for_request();
  ASSERT_TRUE(responder);
  responder->send({.status = 200});
  EXPECT_EQ(peer.read_response().status, 200);
  peer.reset();
  EXPECT_TRUE(eventually([&] { return held.server.server().num_connections() == 0; }));
  EXPECT_EQ(held.num_gone, 0);
  EXPECT_FALSE(responder->disconnected());
}

TEST(HttpDisconnect, frees_what_the_callback_holds) {
  HeldServer held;
  const auto token = std::make_shared<int>(1);
  for (const bool answered : {true, false}) {
    RawPeer peer(held.server.port());
    peer.send(kHold);
    auto responder = held.wait_for_request();
    ASSERT_TRUE(responder);
    // A cycle through the responder itself, as a careless handler makes.
    responder->on_disconnect([token, responder] {});
    if (answered) responder->send({.status = 200});
    responder.reset();
    peer.reset();
    EXPECT_TRUE(eventually([&] { return token.use_count() == 1; }));
  }
}

TEST(HttpDisconnect, before_the_request_is_whole_starts_nothing) {
  HeldServer held;
  for (const std::string& part :
       {std::string(), std::string("G"), kHold.substr(0, kHold.size() - 1),
        std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"),
        std::string(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha")}) {
    for (const Cut how : kCuts) {
      RawPeer peer(held.server.port());
      peer.send(part);
      std::this_thread::sleep_for(2ms);
      cut(peer, how);
      EXPECT_TRUE(eventually([&] { return held.server.server().num_connections() == 0; }));
    }
  }
  EXPECT_TRUE(held.responders.empty());
  expect_usable(held.server);
}

// Queued behind a busy worker: a handler whose client closed meanwhile never runs.
TEST(HttpDisconnect, drops_queued_requests_of_clients_that_left) {
  TestServer server({}, 1);
  std::mutex busy;
  std::atomic<int> num_run = 0;
  std::atomic<bool> blocked = false;
  server.route("GET", "/block", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    blocked = true;
    std::lock_guard wait(busy);
    respond->send({.status = 200});
  });
  server.route("GET", "/count", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    ++num_run;
    respond->send({.status = 200});
  });
  server.start();
  busy.lock();
  RawPeer first(server.port());
  first.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return blocked.load(); }));
  {
    RawPeer second(server.port());
    second.send("GET /count HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return server.workers().num_queued() == 1; }));
    second.reset();
  }
  ASSERT_TRUE(eventually([&] { return server.server().num_connections() == 1; }));
  busy.unlock();
  EXPECT_EQ(first.read_response().status, 200);
  EXPECT_TRUE(eventually([&] { return server.workers().num_queued() == 0; }));
  EXPECT_EQ(num_run, 0);
}

// Many streams cut at random moments while a producer thread writes to them.
TEST(HttpDisconnect, survives_a_storm) {
  TestServer server({}, 4);
  server.options().num_io_threads = 2;
  std::atomic<int> num_live = 0;
  server.route("GET", "/stream", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    const auto gone = std::make_shared<std::atomic<bool>>(false);
    respond->on_disconnect([gone] { *gone = true; });
    ++num_live;
    std::thread([&num_live, respond, gone] {
      respond->start(200, "text/event-stream");
      while (!*gone && respond->write(std::string(100, 'x'))) {
        std::this_thread::sleep_for(200us);
      }
      respond->finish();
      --num_live;
    }).detach();
  });
  server.start();
  std::vector<std::thread> clients;
  for (unsigned c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      for (unsigned i = 0; i < 40; ++i) {
        RawPeer peer(server.port());
        peer.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        std::this_thread::sleep_for(std::chrono::microseconds((i * 7919 + c * 104729) % 5'000));
        if (i % 2) peer.read_some(1ms);
        cut(peer, kCuts[(i + c) % 3]);
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_TRUE(eventually([&] { return num_live == 0; }));
  EXPECT_TRUE(eventually([&] { return server.server().num_connections() == 0; }));
  expect_usable(server);
}

}  // namespace
}  // namespace millrace::net
