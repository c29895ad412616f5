#include "net/rpc_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "net/h2_client.h"
#include "net/raw_peer.h"
#include "net/rpc_held_service.h"

namespace millrace::net {
namespace {

using Call = H2Client::Call;

class RpcServerTest : public testing::Test {
 protected:
  H2Client& client(RpcLimits limits = {}) {
    start(limits);
    return *clients.emplace_back(std::make_unique<H2Client>(server->port()));
  }
  void start(RpcLimits limits = {}) {
    if (server) return;
    server = std::make_unique<RpcServer>(RpcServerOptions{.limits = limits}, service);
    const Status started = server->start();
    ASSERT_TRUE(started);
  }
  void TearDown() override {
    server.reset();
    service.calls.clear();
  }

  HeldService service;
  std::unique_ptr<RpcServer> server;
  std::vector<std::unique_ptr<H2Client>> clients;
};

TEST_F(RpcServerTest, AnswersAMessage) {
  service.echoes = true;
  const auto answer = client().ask({.body = framed("hello"), .more = {{"key", "value"}}});
  EXPECT_EQ(answer.body, framed("hello"));
  EXPECT_EQ(answer.field(":status"), "200");
  EXPECT_EQ(answer.field("content-type"), "application/grpc");
  EXPECT_EQ(answer.status(), "0");
  EXPECT_EQ(answer.error, 0u);
  const auto call = service.call(0);
  EXPECT_EQ(call->rpc->metadata("key"), "value");
  EXPECT_EQ(call->rpc->metadata("none"), "");
  EXPECT_EQ(call->rpc->deadline(), kNever);
}

TEST_F(RpcServerTest, LargeAndEmptyMessagesComeWhole) {
  service.echoes = true;
  std::string large(std::size_t{20} << 20, 'x');
  for (std::size_t i = 0; i < large.size(); i += 4093) large[i] = static_cast<char>(i);
  EXPECT_TRUE(client().ask({.body = framed(large)}).body == framed(large));
  EXPECT_EQ(client().ask({.body = framed("")}).body, framed(""));
}

TEST_F(RpcServerTest, PiecesOfAMessageMayComeOneByOne) {
  auto& one = client();
  const auto id = one.begin({.body = "", .end = false});
  const std::string bytes = framed("first") + framed("") + framed("third");
  for (const char byte : bytes) {
    one.send(id, std::string(1, byte));
    one.run([] { return true; });
  }
  one.send(id, "", true);
  one.run([] { return true; });
  const auto call = service.call(0);
  ASSERT_TRUE(service.wait([&] { return call->ended; }));
  EXPECT_EQ(call->messages, (std::vector<std::string>{"first", "", "third"}));
}

TEST_F(RpcServerTest, AStreamsAnswersComeInOrderAndItsStatusLast) {
  auto& one = client();
  const auto id = one.begin({.body = framed("go"), .end = false});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  const auto call = service.call(0);
  std::string all;
  for (int i = 0; i < 50; ++i) {
    call->rpc->write(std::to_string(i));
    all += framed(std::to_string(i));
  }
  call->rpc->finish(kRpcUnavailable, "later: 100 %\n");
  call->rpc->write("nothing follows");
  ASSERT_TRUE(one.run_until_closed(id));
  EXPECT_EQ(one.answer(id).body, all);
  EXPECT_EQ(one.answer(id).status(), "14");
  EXPECT_EQ(one.answer(id).field("grpc-message"), "later: 100 %25%0A");
}

// What nobody asks for stays with the client, but for its window.
TEST_F(RpcServerTest, WhatIsNotReadIsNotTaken) {
  service.reads = false;
  auto& one = client({.h2 = {.stream_window = 64 << 10}});
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes += framed(std::string(5000, 'm'));
  const auto id = one.begin({.body = bytes});
  one.run([] { return false; }, 300ms);
  EXPECT_GT(one.unsent(id), bytes.size() - (200 << 10));
  const auto call = service.call(0);
  EXPECT_TRUE(call->messages.empty());
  for (std::size_t i = 1; i <= 200; ++i) {
    call->rpc->read();
    ASSERT_TRUE(one.run([&] { return service.holds([&] { return call->messages.size() == i; }); }));
  }
  EXPECT_FALSE(call->ended);
  call->rpc->read();
  EXPECT_TRUE(service.wait([&] { return call->ended; }));
}

// Reading waits for a client that does not take its answers.
TEST_F(RpcServerTest, NoMessageIsReadWhileMuchIsUnsent) {
  service.reads = false;
  auto& one = client();
  one.takes_data = false;
  const auto id = one.begin({.body = framed("a") + framed("b"), .end = false});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  const auto call = service.call(0);
  for (int i = 0; i < 8; ++i) call->rpc->write(std::string(100'000, 'w'));
  one.run([&] { return one.answer(id).body.size() > 60'000; });
  call->rpc->read();
  one.run([] { return false; }, 200ms);
  EXPECT_TRUE(call->messages.empty());
  one.takes_data = true;
  one.give_window(id);
  ASSERT_TRUE(one.run([&] { return service.holds([&] { return call->messages.size() == 1; }); }));
}

TEST_F(RpcServerTest, LeavingCancels) {
  auto& one = client();
  const auto first = one.begin({.body = framed("x"), .end = false});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  one.cancel(first);
  one.run([&] { return service.holds([&] { return service.calls[0]->cancelled; }); });
  EXPECT_TRUE(service.call(0)->cancelled);
  one.begin({.body = framed("y")});
  one.run([&] { return service.holds([&] { return service.calls.size() == 2; }); });
  one.close();
  EXPECT_TRUE(service.wait([&] { return service.calls[1]->cancelled; }));
  service.call(1)->rpc->answer("to nobody");
}

TEST_F(RpcServerTest, AnAnswerBeforeTheRequestsEndIsHeard) {
  auto& one = client();
  const auto id = one.begin({.body = framed("x"), .end = false});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  service.call(0)->rpc->answer("enough");
  ASSERT_TRUE(one.run_until_closed(id));
  EXPECT_EQ(one.answer(id).body, framed("enough"));
  EXPECT_EQ(one.answer(id).status(), "0");
  EXPECT_EQ(one.answer(id).error, std::uint32_t{NGHTTP2_NO_ERROR});
}

TEST_F(RpcServerTest, WhatIsNoCallIsRefused) {
  service.max_bytes = 100;
  auto& one = client();
  EXPECT_EQ(one.ask({.method = "GET"}).field(":status"), "405");
  EXPECT_EQ(one.ask({.content_type = "application/json"}).field(":status"), "415");
  EXPECT_EQ(one.ask({.more = {{"grpc-timeout", "soon"}}}).status(), "3");
  EXPECT_EQ(one.ask({.path = "/none"}).status(), "12");
  EXPECT_EQ(one.ask({.more = {{"large", std::string(20'000, 'l')}}}).status(), "8");
  EXPECT_EQ(one.ask({.body = framed("zip", 1)}).status(), "12");
  const auto large = one.ask({.body = framed(std::string(101, 'x')), .end = false});
  EXPECT_EQ(large.status(), "8");
  EXPECT_EQ(large.field("grpc-message"),
            "The message has 101 bytes; this method takes at most 100.");
  service.echoes = true;
  EXPECT_EQ(one.ask({.body = framed("fine")}).body, framed("fine")) << "and the connection goes on";
}

TEST_F(RpcServerTest, DeadlinesAreTold) {
  auto& one = client();
  one.begin({.body = framed("x"), .more = {{"grpc-timeout", "10S"}}});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  const auto left = service.call(0)->rpc->deadline() - Clock::now();
  EXPECT_LE(left, 10s);
  EXPECT_GT(left, 5s);
}

TEST_F(RpcServerTest, Http1IsToldWhatThisIs) {
  start();
  RawPeer peer(server->port());
  peer.send("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
  std::string all;
  while (const auto some = peer.read_some(2000ms)) {
    all += *some;
    if (peer.ended()) break;
  }
  EXPECT_TRUE(all.starts_with("HTTP/1.1 400 ")) << all;
  const auto body = all.find("\r\n\r\n");
  ASSERT_NE(body, std::string::npos);
  EXPECT_NE(all.find("Content-Length: " + std::to_string(all.size() - body - 4)), std::string::npos)
      << all;
  EXPECT_NE(all.find("gRPC"), std::string::npos);
}

TEST_F(RpcServerTest, GarbageEndsTheConnectionOnly) {
  start();
  const std::string preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  for (const std::string& bytes :
       {preface + std::string(500, '\xff'), preface + std::string(9, '\0') + "\1\2\3",
        preface + std::string("\0\0\4\1\5\0\0\0\1\xff\xff\xff\xff", 13),
        preface.substr(0, 10) + "nonsense 123456"}) {
    RawPeer peer(server->port());
    peer.send(bytes);
    while (const auto some = peer.read_some(100ms)) {
      if (peer.ended()) break;
    }
  }
  service.echoes = true;
  EXPECT_EQ(client().ask({.body = framed("fine")}).status(), "0");
}

TEST_F(RpcServerTest, AFloodOfPingsOrResetsIsEnded) {
  auto& pings = client();
  for (int i = 0; i < 4; ++i) {
    pings.ping();
    pings.run([] { return false; }, 20ms);
  }
  pings.run([&] { return pings.gone; });
  EXPECT_EQ(pings.goodbye, "goodbye too_many_pings");
  auto& resets = client();
  for (int i = 0; i < 5000 && !resets.gone; ++i) {
    const auto id = resets.begin({.body = framed("x"), .end = false});
    resets.run([] { return true; });
    resets.cancel(id);
    resets.run([] { return true; });
    if (i % 50 == 0) resets.run([] { return false; }, 1ms);
  }
  resets.run([&] { return resets.gone; });
  EXPECT_TRUE(resets.gone);
  service.echoes = true;
  EXPECT_EQ(client().ask({.body = framed("fine")}).status(), "0");
}

TEST_F(RpcServerTest, PingsBetweenAnswersAreNoFlood) {
  service.echoes = true;
  auto& one = client();
  for (int i = 0; i < 10; ++i) {
    one.ping();
    EXPECT_EQ(one.ask({.body = framed("x")}).status(), "0");
  }
}

TEST_F(RpcServerTest, SilentClientsAreSentAway) {
  RpcLimits limits{.greeting_timeout = 100ms, .idle_timeout = 100ms};
  auto& idle = client(limits);
  service.echoes = true;
  EXPECT_EQ(idle.ask({.body = framed("x")}).status(), "0");
  RawPeer mute(server->port());
  EXPECT_TRUE(idle.run([&] { return idle.gone; }));
  EXPECT_EQ(idle.goodbye, "goodbye ") << "politely";
  const auto nothing = mute.read_some(3000ms);
  EXPECT_TRUE(nothing && mute.ended());
}

TEST_F(RpcServerTest, AClientThatIsGoneWithoutAWordIsNoticed) {
  start({.ping_after = 50ms, .ping_timeout = 50ms});
  RawPeer peer(server->port());
  peer.send(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\4\0\0\0\0\0", 9));
  const TimePoint deadline = Clock::now() + 5s;
  while (!peer.ended() && Clock::now() < deadline) peer.read_some(100ms);  // no ping is answered
  EXPECT_TRUE(peer.ended());
}

TEST_F(RpcServerTest, AnAnswerThatIsNotTakenEndsItsCall) {
  auto& one = client({.write_stall_timeout = 100ms});
  one.takes_data = false;
  const auto id = one.begin({.body = framed("x"), .end = false});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  service.call(0)->rpc->write(std::string(100'000, 'w'));
  EXPECT_TRUE(one.run_until_closed(id));
  EXPECT_EQ(one.answer(id).error, std::uint32_t{NGHTTP2_CANCEL});
  EXPECT_TRUE(service.wait([&] { return service.calls[0]->cancelled; }));
}

TEST_F(RpcServerTest, StoppingLetsCallsEnd) {
  auto& one = client();
  const auto id = one.begin({.body = framed("x")});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  std::thread stopping([&] { server->stop(5s); });
  EXPECT_TRUE(one.run([&] { return !one.goodbye.empty(); }));
  service.call(0)->rpc->answer("done");
  EXPECT_TRUE(one.run_until_closed(id));
  EXPECT_EQ(one.answer(id).body, framed("done"));
  stopping.join();
}

TEST_F(RpcServerTest, StoppingCancelsWhatDoesNotEnd) {
  auto& one = client();
  one.begin({.body = framed("x")});
  one.run([&] { return service.holds([&] { return !service.calls.empty(); }); });
  server->stop(10ms);
  EXPECT_TRUE(service.call(0)->cancelled);
  service.call(0)->rpc->finish(kRpcOk, "nobody is there");
}

TEST_F(RpcServerTest, AnswersComeFromAnyThread) {
  constexpr int kEach = 200;
  start();
  std::atomic<bool> over{false};
  std::vector<std::thread> workers;
  std::atomic<std::size_t> next{0};
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      while (!over) {
        const std::size_t mine = next++;
        if (mine >= 3 * kEach) return;
        if (!service.wait([&] { return service.calls.size() > mine || over; })) return;
        const auto call = service.call(mine);
        if (mine % 2 == 0) call->rpc->write("half");
        call->rpc->answer(std::string(mine * 100, 'a'));
      }
    });
  }
  std::vector<std::thread> askers;
  std::atomic<int> num_good{0};
  for (int i = 0; i < 3; ++i) {
    askers.emplace_back([&] {
      H2Client one(server->port());
      for (int k = 0; k < kEach; ++k) {
        if (one.ask({.body = framed(std::string(3000, 'q'))}).status() == "0") ++num_good;
      }
    });
  }
  for (auto& asker : askers) asker.join();
  over = true;
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(num_good, 3 * kEach);
}

}  // namespace
}  // namespace millrace::net
