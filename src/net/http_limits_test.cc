// Time-outs, sizes and counts: what one client, or very many, may cost.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <vector>

#include "net/connection.h"
#include "net/http_limits.h"
#include "net/raw_peer.h"

namespace millrace::net {
namespace {

const std::string kGet = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";

HttpLimits hasty() {
  HttpLimits limits;
  limits.header_timeout = 200ms;
  limits.body_window = 200ms;
  limits.idle_timeout = 300ms;
  limits.write_stall_timeout = 300ms;
  limits.linger_timeout = 200ms;
  return limits;
}

// Milliseconds until the server closes, or the time-out.
double closed_after(RawPeer& peer, std::string* received = nullptr) {
  const TimePoint start = Clock::now();
  const std::string all = peer.read_to_end();
  if (received) *received = all;
  EXPECT_TRUE(peer.ended());
  return seconds_between(start, Clock::now()) * 1000;
}

TEST(HttpLimits, closes_idle_connections) {
  TestServer server(hasty());
  server.start();
  RawPeer silent(server.port());
  RawPeer used(server.port());
  used.send(kGet);
  EXPECT_EQ(used.read_response().status, 200);
  std::string received;
  const double after = closed_after(silent, &received);
  EXPECT_EQ(received, "");
  EXPECT_GT(after, 250);
  EXPECT_LT(after, 1500);
  closed_after(used, &received);
  EXPECT_EQ(received, "");
}

TEST(HttpLimits, bounds_the_time_of_a_head) {
  TestServer server(hasty());
  server.start();
  RawPeer stalled(server.port());
  stalled.send("GET /ok HTTP/1.1\r\nHost:");
  RawPeer slow(server.port());
  std::thread drip([&] {  // never idle, yet never done
    for (int i = 0; i < 100 && slow.send("x"); ++i) std::this_thread::sleep_for(20ms);
  });
  std::string received;
  const double after = closed_after(stalled, &received);
  EXPECT_TRUE(received.starts_with("HTTP/1.1 408 ")) << received;
  EXPECT_GT(after, 150);
  EXPECT_LT(after, 1500);
  closed_after(slow, &received);
  EXPECT_TRUE(received.starts_with("HTTP/1.1 408 ")) << received;
  drip.join();
}

TEST(HttpLimits, demands_a_body_at_a_minimum_rate) {
  TestServer server(hasty());  // 1024 bytes a second over 200 ms: 205 bytes
  server.start();
  const auto begin = [&](RawPeer& peer, const char* framing) {
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\n" + std::string(framing) + "\r\n\r\n");
  };
  RawPeer never(server.port());
  begin(never, "Content-Length: 10");
  std::string received;
  EXPECT_LT(closed_after(never, &received), 1500);
  EXPECT_TRUE(received.starts_with("HTTP/1.1 408 ")) << received;
  RawPeer burst(server.port());  // a fast start does not buy a stall
  begin(burst, "Content-Length: 1000000");
  burst.send(std::string(999'999, 'x'));
  EXPECT_LT(closed_after(burst, &received), 2000);
  EXPECT_TRUE(received.starts_with("HTTP/1.1 408 ")) << received;
  RawPeer chunks(server.port());
  begin(chunks, "Transfer-Encoding: chunked");
  std::thread drip([&] {
    for (int i = 0; i < 100 && chunks.send("1\r\nx\r\n"); ++i) std::this_thread::sleep_for(20ms);
  });
  closed_after(chunks, &received);
  EXPECT_TRUE(received.starts_with("HTTP/1.1 408 ")) << received;
  drip.join();
  RawPeer steady(server.port());  // slow but above the floor
  begin(steady, "Content-Length: 4000");
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(steady.send(std::string(100, 'x')));
    std::this_thread::sleep_for(15ms);
  }
  EXPECT_EQ(steady.read_response().body.size(), 4000U);
}

TEST(HttpLimits, lets_a_handler_take_its_time) {
  TestServer server(hasty());
  server.route("GET", "/slow", [](HttpRequest, std::shared_ptr<Responder> respond) {
    std::this_thread::sleep_for(900ms);
    respond->send({.status = 200});
  });
  server.start();
  RawPeer peer(server.port());
  peer.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.read_response().status, 200);
}

TEST(HttpLimits, drops_a_client_that_stops_reading) {
  TestServer server(hasty());
  std::atomic<bool> gone = false;
  server.route("GET", "/big", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->on_disconnect([&] { gone = true; });
    respond->send({.status = 200, .body = std::string(64 << 20, 'x')});
  });
  server.start();
  RawPeer peer(server.port());
  peer.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(peer.read_some(5s));
  EXPECT_TRUE(eventually([&] { return server.server().num_connections() == 0; }, 3s));
  EXPECT_FALSE(gone) << "the answer was complete";
}

TEST(HttpLimits, aborts_a_stream_whose_reader_is_slow) {
  TestServer server;
  std::atomic<bool> gone = false;
  std::atomic<std::size_t> num_written = 0;
  std::atomic<bool> refused = false;
  server.route("GET", "/stream", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->on_disconnect([&] { gone = true; });
    respond->start(200, "text/plain");
    while (respond->write(std::string(1'000, 'x'))) {
      num_written += 1'000;
      ASSERT_LT(num_written, 100U << 20) << "nothing bounds the stream";
    }
    refused = true;
    EXPECT_FALSE(respond->write("more"));
    EXPECT_TRUE(respond->disconnected());
  });
  server.start();
  RawPeer peer(server.port());
  peer.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return refused && gone; }));
  EXPECT_TRUE(eventually([&] { return server.server().num_connections() == 0; }));
  while (!peer.ended() && peer.read_some(1s)) continue;
  EXPECT_TRUE(peer.was_reset());
}

TEST(HttpLimits, keeps_a_stream_that_is_read_in_time) {
  TestServer server;
  constexpr std::size_t kTotal = 4U << 20;
  server.route("GET", "/stream", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->start(200, "text/plain");
    for (std::size_t sent = 0; sent < kTotal; sent += 1024) {
      EXPECT_TRUE(respond->write(std::string(1024, 'x')));
      if (sent % (64 << 10) == 0) std::this_thread::sleep_for(1ms);
    }
    respond->finish();
  });
  server.start();
  RawPeer peer(server.port());
  peer.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(peer.read_response().body.size(), kTotal);
}

TEST(HttpLimits, turns_away_connections_over_the_limit) {
  HttpLimits limits;
  limits.max_connections = 3;
  TestServer server(limits);
  server.start();
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(std::make_unique<RawPeer>(server.port()));
    peers.back()->send(kGet);
    EXPECT_EQ(peers.back()->read_response().status, 200);
  }
  RawPeer extra(server.port());
  extra.send(kGet);
  const std::string all = extra.read_to_end();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 503 ")) << all;
  EXPECT_NE(all.find("Retry-After:"), std::string::npos);
  EXPECT_EQ(all.find("HTTP/1.1", 1), std::string::npos);
  extra.close();
  peers.pop_back();
  EXPECT_TRUE(eventually([&] { return server.server().num_connections() == 2; }));
  RawPeer next(server.port());
  next.send(kGet);
  EXPECT_EQ(next.read_response().status, 200);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::size_t num_open_files() {
  std::size_t count = 0;
  for (int fd = 0; fd < 4096; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
  return count;
}

TEST(HttpLimits, does_not_spin_without_descriptors) {
  TestServer server;
  server.start();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  RawPeer kept(server.port());
  kept.send(kGet);
  EXPECT_EQ(kept.read_response().status, 200);
  // All but a few descriptors are taken; a client of ours needs one, and the server one.
  std::vector<UniqueFd> ballast;
  rlimit small = before;
  small.rlim_cur = num_open_files() + 20;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 6; ++i) {  // before the table is full
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  while (true) {
    UniqueFd fd(::dup(0));
    if (!fd) break;
    ballast.push_back(std::move(fd));
  }
  const double cpu_before = cpu_seconds();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (const UniqueFd& client : clients) {
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  kept.send(kGet);
  EXPECT_EQ(kept.read_response().status, 200) << "an open connection is served meanwhile";
  std::this_thread::sleep_for(500ms);
  EXPECT_LT(cpu_seconds() - cpu_before, 0.2);
  ballast.clear();
  clients.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  std::this_thread::sleep_for(300ms);
  RawPeer next(server.port());
  next.send(kGet);
  EXPECT_EQ(next.read_response().status, 200);
}

// What a connection keeps besides what is in progress.
static_assert(sizeof(Connection) <= 2048);

std::size_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  status >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// In this process, so both ends are counted; the client's end is one descriptor, without a buffer.
TEST(HttpLimits, keeps_idle_connections_small) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep shadow memory and freed blocks";
#endif
  constexpr std::size_t kCount = 2'000;
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_cur < 2 * kCount + 200) GTEST_SKIP() << "nofile is " << files.rlim_cur;
  TestServer server;
  server.start();
  std::string body(20'000, 'x');
  const std::string post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + body;
  std::vector<std::unique_ptr<RawPeer>> peers;
  peers.reserve(kCount);
  const std::size_t before = resident_bytes();
  const TimePoint start = Clock::now();
  for (std::size_t i = 0; i < kCount; ++i) {
    peers.push_back(std::make_unique<RawPeer>(server.port()));
    // Each has been in use: a large head and body first, then idle.
    peers.back()->send("GET /ok HTTP/1.1\r\nHost: a\r\nX: " + body.substr(0, 8'000) + "\r\n\r\n");
    ASSERT_EQ(peers.back()->read_response().status, 200);
    peers.back()->send(post);
    ASSERT_EQ(peers.back()->read_response().status, 200);
  }
  const double seconds = seconds_between(start, Clock::now());
  EXPECT_EQ(server.server().num_connections(), kCount);
  const std::size_t each = (resident_bytes() - before) / kCount;
  RecordProperty("bytes_each", static_cast<int>(each));
  std::printf("%zu bytes a connection, %.2f s to open and use %zu\n", each, seconds, kCount);
  EXPECT_LE(each, 16U << 10);
  const double cpu_before = cpu_seconds();
  std::this_thread::sleep_for(500ms);
  EXPECT_LT(cpu_seconds() - cpu_before, 0.05) << "idle connections cost time";
}

}  // namespace
}  // namespace millrace::net
