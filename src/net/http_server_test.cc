#include "net/http_server.h"

#include <mutex>
#include <set>
#include <vector>

#include "net/http_client.h"
#include "net/raw_peer.h"
#include "net/sse.h"

namespace millrace::net {
namespace {

std::string get(const std::string& target, const std::string& fields = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string post(const std::string& target, const std::string& body,
                 const std::string& fields = {}) {
  return "POST " + target +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         fields + "\r\n" + body;
}

TEST(HttpServer, answers_many_requests_on_one_connection) {
  TestServer server;
  server.start();
  RawPeer peer(server.port());
  for (int i = 0; i < 100; ++i) {
    peer.send(post("/echo", std::to_string(i)));
    const auto answer = peer.read_response();
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, std::to_string(i));
    EXPECT_EQ(answer.headers.find("content-type")->second, "application/json");
    EXPECT_TRUE(answer.headers.contains("date"));
  }
  EXPECT_EQ(server.server().num_connections(), 1U);
}

TEST(HttpServer, hands_the_whole_request_to_the_handler) {
  TestServer server;
  HttpRequest seen;
  server.route("PUT", "/m/{name}/x", [&](HttpRequest request, std::shared_ptr<Responder> respond) {
    seen = std::move(request);
    respond->send({.status = 201,
                   .content_type = "text/plain",
                   .body = "made",
                   .headers = {{"Location", "/m/1"},
                               {"X-Bad", "a\r\nInjected: 1"},
                               {"bad name", "x"},
                               {"Content-Length", "99"},
                               {"Connection", "close"}}});
  });
  server.start();
  RawPeer peer(server.port());
  peer.send("PUT /m/a%2Fb/x?q=1 HTTP/1.1\r\nHost: a\r\nX-Y: z\r\nContent-Length: 3\r\n\r\nabc");
  const auto answer = peer.read_response();
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "made");
  EXPECT_EQ(answer.headers.find("location")->second, "/m/1");
  for (const char* name : {"x-bad", "injected", "bad name", "connection"}) {
    EXPECT_FALSE(answer.headers.contains(name)) << name;
  }
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.path, "/m/a/b/x");
  EXPECT_EQ(seen.query, "q=1");
  EXPECT_EQ(seen.path_params["name"], "a/b");
  EXPECT_EQ(seen.header("x-y"), "z");
  EXPECT_EQ(seen.body, "abc");
  EXPECT_LT(seconds_between(seen.arrival, Clock::now()), 5);
}

TEST(HttpServer, answers_pipelined_requests_in_order) {
  TestServer server({}, 4);
  std::atomic<int> num_running = 0;
  std::atomic<int> most_running = 0;
  server.route("POST", "/slow", [&](HttpRequest request, std::shared_ptr<Responder> respond) {
    most_running = std::max(most_running.load(), ++num_running);
    std::this_thread::sleep_for(std::chrono::milliseconds(request.body.size()));
    --num_running;
    respond->send({.status = 200, .body = std::move(request.body)});
  });
  server.start();
  RawPeer peer(server.port());
  std::string all;
  for (int i = 20; i > 0; --i) all += post("/slow", std::string(static_cast<std::size_t>(i), 'x'));
  peer.send(all + get("/none") + get("/ok", "Connection: close\r\n") + get("/ok"));
  for (int i = 20; i > 0; --i) {
    EXPECT_EQ(peer.read_response().body.size(), static_cast<std::size_t>(i));
  }
  EXPECT_EQ(most_running, 1);
  EXPECT_EQ(peer.read_response().status, 404);
  const auto last = peer.read_response();
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.headers.find("connection")->second, "close");
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_TRUE(peer.ended());
}

// More than the server holds at a time: it stops reading and goes on later.
TEST(HttpServer, holds_back_a_flood_of_pipelined_requests) {
  TestServer server;
  server.start();
  RawPeer peer(server.port());
  constexpr int kCount = 20'000;
  std::thread sender([&] {
    const std::string one = get("/ok");
    for (int i = 0; i < kCount; ++i) peer.send(one);
  });
  int num_answers = 0;
  while (num_answers < kCount && peer.read_response().status == 200) ++num_answers;
  sender.join();
  EXPECT_EQ(num_answers, kCount);
}

// Their answers wait for the end of the round.
TEST(HttpServer, answers_what_is_instant_in_order_and_whole) {
  TestServer server;
  server.instant_route("POST", "/here",
                       [](HttpRequest request, std::shared_ptr<Responder> respond) {
                         respond->send({.status = 200, .body = std::move(request.body)});
                       });
  server.start();
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 30; ++i) peers.push_back(std::make_unique<RawPeer>(server.port()));
  const std::string large(std::size_t{3} << 20, 'x');
  for (const auto& peer : peers) {
    std::string burst;
    for (int i = 0; i < 50; ++i) burst += post("/here", std::to_string(i));
    ASSERT_TRUE(peer->send(burst));
  }
  for (const auto& peer : peers) {
    for (int i = 0; i < 50; ++i) ASSERT_EQ(peer->read_response().body, std::to_string(i));
    ASSERT_TRUE(peer->send(post("/here", large)));
    ASSERT_EQ(peer->read_response().body, large);
    ASSERT_TRUE(peer->send(post("/here", "last", "Connection: close\r\n")));
    EXPECT_TRUE(peer->read_to_end().ends_with("last"));
    EXPECT_TRUE(peer->ended());
  }
}

TEST(HttpServer, streams_chunks_as_they_are_written) {
  TestServer server;
  std::mutex step;
  step.lock();
  server.route("GET", "/stream", [&](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->start(200, "text/event-stream");
    EXPECT_TRUE(respond->write(format_sse_event("one")));
    std::lock_guard wait(step);
    EXPECT_TRUE(respond->write(""));
    EXPECT_TRUE(respond->write(format_sse_event("two")));
    respond->finish();
    respond->finish();
    EXPECT_FALSE(respond->write("late"));
    respond->send({.status = 500});
  });
  server.start();
  RawPeer peer(server.port());
  peer.send(get("/stream") + get("/ok"));
  std::string first;
  while (first.find("one") == std::string::npos) first += peer.read_some(5s).value_or("");
  EXPECT_NE(first.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_NE(first.find("Cache-Control: no-cache"), std::string::npos);
  EXPECT_EQ(first.find("two"), std::string::npos);
  step.unlock();
  std::string rest;
  while (rest.find("{}") == std::string::npos) rest += peer.read_some(5s).value_or("");
  EXPECT_TRUE(rest.starts_with("b\r\ndata: two\n\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n")) << rest;
}

TEST(HttpServer, answers_head_without_a_body) {
  TestServer server;
  server.route("GET", "/stream", [](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->start(200, "text/plain");
    respond->write("unseen");
    respond->finish();
  });
  server.start();
  RawPeer peer(server.port());
  for (const char* path : {"/ok", "/stream", "/none"}) {
    peer.send("HEAD " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto answer = peer.read_response(5s, true);
    EXPECT_EQ(answer.status, std::string(path) == "/none" ? 404 : 200);
    if (std::string(path) == "/ok") {
      EXPECT_EQ(answer.headers.find("content-length")->second, "2");
    }
  }
  peer.send(get("/ok"));
  EXPECT_EQ(peer.read_response().body, "{}");
}

TEST(HttpServer, speaks_http_1_0) {
  TestServer server;
  server.route("GET", "/stream", [](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->start(200, "text/plain");
    respond->write("a");
    respond->write("b");
    respond->finish();
  });
  server.start();
  RawPeer once(server.port());
  once.send("GET /ok HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(once.read_to_end().ends_with("Connection: close\r\n\r\n{}"));
  RawPeer kept(server.port());
  kept.send("GET /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.read_response().headers.find("connection")->second, "keep-alive");
  kept.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string all = kept.read_to_end();
  EXPECT_TRUE(all.ends_with("\r\n\r\nab")) << all;
  EXPECT_EQ(all.find("chunked"), std::string::npos);
}

TEST(HttpServer, says_continue_only_where_the_body_is_wanted) {
  TestServer server;
  server.route(
      "POST", "/small",
      [](HttpRequest request, std::shared_ptr<Responder> respond) {
        respond->send({.status = 200, .body = request.body});
      },
      4);
  server.start();
  const std::string expect = "Expect: 100-continue\r\n";
  RawPeer peer(server.port());
  const std::string whole = post("/small", "abcd", expect);
  peer.send(whole.substr(0, whole.size() - 4));
  EXPECT_EQ(peer.read_some(5s), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("abcd");
  EXPECT_EQ(peer.read_response().body, "abcd");
  peer.send(whole);  // the body is there already: nothing to ask for
  EXPECT_TRUE(peer.read_some(5s).value_or("").starts_with("HTTP/1.1 200"));

  for (const std::string& refused :
       {post("/small", "abcde", expect), post("/none", "a", expect), post("/ok", "a", expect)}) {
    RawPeer other(server.port());
    other.send(refused.substr(0, refused.find("\r\n\r\n") + 4));
    const std::string all = other.read_to_end();
    EXPECT_TRUE(all.starts_with("HTTP/1.1 4")) << all;
    EXPECT_EQ(all.find("100 Continue"), std::string::npos);
  }
}

TEST(HttpServer, holds_each_route_to_its_body_limit) {
  TestServer server;
  server.route(
      "POST", "/small",
      [](HttpRequest request, std::shared_ptr<Responder> respond) {
        respond->send({.status = 200, .body = request.body});
      },
      100);
  server.start();
  for (const std::size_t size : {100U, 101U}) {
    const std::string body(size, 'x');
    RawPeer sized(server.port());
    sized.send(post("/small", body));
    EXPECT_EQ(sized.read_response().status, size == 100 ? 200 : 413);
    RawPeer chunked(server.port());
    chunked.send("POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n" +
                 body.substr(0, 50) + "\r\n" + (size == 100 ? "32" : "33") + "\r\n" +
                 body.substr(50) + "\r\n0\r\n\r\n");
    EXPECT_EQ(chunked.read_response().status, size == 100 ? 200 : 413);
  }
}

// The client is still sending when the refusal comes: it must be able to read it.
TEST(HttpServer, lets_the_client_read_a_refusal_while_it_sends) {
  TestServer server;
  server.start();
  for (int i = 0; i < 10; ++i) {
    HttpClient client("127.0.0.1", server.port());
    const auto answer =
        client.perform({.method = "POST", .target = "/echo", .body = std::string(16 << 20, 'x')});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 413);
  }
}

TEST(HttpServer, moves_large_bodies_both_ways) {
  TestServer server;
  server.start();
  HttpClient client("127.0.0.1", server.port());
  std::string body;
  for (std::size_t i = 0; i < (8U << 20); ++i) body.push_back(static_cast<char>(i * 31 >> 3));
  const auto answer = client.perform({.method = "POST", .target = "/echo", .body = body});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, body);
}

TEST(HttpServer, echoes_or_makes_a_request_id) {
  TestServer server;
  server.start();
  RawPeer peer(server.port());
  std::set<std::string> made;
  for (int i = 0; i < 100; ++i) {
    peer.send(get(i % 2 ? "/ok" : "/none"));
    const std::string id = peer.read_response().headers.find("x-request-id")->second;
    EXPECT_EQ(id.size(), 32U);
    made.insert(id);
  }
  EXPECT_EQ(made.size(), 100U);
  peer.send(get("/ok", "X-Request-ID: my-id/7\r\n"));
  EXPECT_EQ(peer.read_response().headers.find("x-request-id")->second, "my-id/7");
  for (const std::string& bad :
       {std::string(129, 'x'), std::string("a b"), std::string("\xC3\xA9")}) {
    peer.send(get("/ok", "x-request-id: " + bad + "\r\n"));
    EXPECT_EQ(peer.read_response().headers.find("x-request-id")->second.size(), 32U);
  }
}

TEST(HttpServer, answers_500_for_a_handler_that_forgets_or_throws) {
  TestServer server;
  server.route("GET", "/forgets", [](HttpRequest, std::shared_ptr<Responder>) {});
  server.route("GET", "/throws",
               [](HttpRequest, std::shared_ptr<Responder>) { std::vector<int>().at(1) = 0; });
  server.route("GET", "/half", [](HttpRequest, std::shared_ptr<Responder> respond) {
    respond->start(200, "text/plain");
    respond->write("part");
  });
  server.start();
  RawPeer peer(server.port());
  for (const char* path : {"/forgets", "/throws", "/ok"}) {
    peer.send(get(path));
    EXPECT_EQ(peer.read_response().status, std::string(path) == "/ok" ? 200 : 500);
  }
  peer.send(get("/half"));
  const std::string all = peer.read_to_end();
  EXPECT_TRUE(peer.ended());
  EXPECT_TRUE(all.ends_with("\r\n\r\n4\r\npart\r\n")) << "looked complete: " << all;
}

TEST(HttpServer, speaks_the_listeners_dialect_in_its_own_errors) {
  TestServer server;
  server.options().error_body = [](int status, std::string_view path, std::string_view message) {
    return std::to_string(status) + " " + std::string(path) + " " + std::string(message);
  };
  server.start();
  RawPeer peer(server.port());
  peer.send(get("/none"));
  EXPECT_EQ(peer.read_response().body, "404 /none not found");
  peer.send("POST /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto answer = peer.read_response();
  EXPECT_EQ(answer.body, "405 /ok method not allowed");
  EXPECT_EQ(answer.headers.find("allow")->second, "GET, HEAD");
  peer.send("GET /a HTTP/1.1\r\nX:\x01\r\n\r\n");
  EXPECT_TRUE(peer.read_response().body.starts_with("400 /a "));
}

TEST(HttpServer, counts_requests_and_connections) {
  TestServer server;
  server.start();
  {
    RawPeer peer(server.port());
    for (int i = 0; i < 3; ++i) {
      peer.send(get("/ok") + get("/none") + "BREW /ok HTTP/1.1\r\nHost: a\r\n\r\n");
      for (int k = 0; k < 3; ++k) EXPECT_GT(peer.read_response().status, 0);
    }
    const std::string text = server.metrics().expose();
    EXPECT_NE(text.find("http_open_connections{listener=\"http\"} 1"), std::string::npos);
  }
  ASSERT_TRUE(eventually([&] { return server.server().num_connections() == 0; }));
  const std::string text = server.metrics().expose();
  for (const char* line :
       {"http_requests_total{handler=\"/ok\",method=\"GET\",status=\"200\"} 3",
        "http_requests_total{handler=\"none\",method=\"GET\",status=\"404\"} 3",
        "http_requests_total{handler=\"none\",method=\"other\",status=\"405\"} 3",
        "http_request_duration_seconds_count{handler=\"/ok\",method=\"GET\"} 3",
        "http_open_connections{listener=\"http\"} 0"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(HttpServer, serves_many_clients_at_once) {
  TestServer server({}, 4);
  server.options().num_io_threads = 3;
  server.route("GET", "/stream", [](HttpRequest request, std::shared_ptr<Responder> respond) {
    respond->start(200, "text/plain");
    for (int i = 0; i < 20; ++i) respond->write(request.query);
    respond->finish();
  });
  server.start();
  std::atomic<int> num_right = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 16; ++c) {
    clients.emplace_back([&, c] {
      HttpClient client("localhost", server.port());
      const std::string mark = "client" + std::to_string(c);
      std::string twenty;
      for (int i = 0; i < 20; ++i) twenty += mark;
      for (int i = 0; i < 30; ++i) {
        const auto streamed = client.get("/stream?" + mark);
        const auto echoed = client.post_json("/echo", mark + std::to_string(i));
        num_right += streamed && streamed->body == twenty;
        num_right += echoed && echoed->body == mark + std::to_string(i);
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(num_right, 16 * 30 * 2);
}

TEST(HttpServer, says_where_it_cannot_listen) {
  TestServer first;
  first.start();
  TestServer second;
  HttpServerOptions options;
  options.port = first.port();
  Router router;
  HttpServer taken(options, router, second.workers(), second.metrics());
  const Status status = taken.start();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("127.0.0.1:" + std::to_string(first.port())),
            std::string::npos);
  options.host = "no.such.host.invalid";
  HttpServer nowhere(options, router, second.workers(), second.metrics());
  EXPECT_FALSE(nowhere.start());
}

}  // namespace
}  // namespace millrace::net
