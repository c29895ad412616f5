#include "api/tracing.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "api/admin/traces.h"
#include "api/fake_server.h"
#include "api/ui/trace.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;

class TracingTest : public testing::Test {
 protected:
  Answer chat(std::initializer_list<std::pair<const char*, const char*>> headers) {
    auto http = FakeServer::request("POST", "/v1/chat/completions",
                                    std::string(R"({"model":"m",)") + kHello + "}");
    for (const auto& [name, value] : headers) http.headers[name] = value;
    return server.ask(std::move(http));
  }
  json::value ui() {
    server.workers.wait_idle();  // a stream ends behind its answer
    return server.ask(FakeServer::request("GET", "/ui/trace")).json;
  }
  Answer admin(const std::string& path, const std::string& query = {}) {
    auto http = FakeServer::request("GET", path);
    http.query = query;
    return server.ask(std::move(http), true);
  }
  FakeServer server;
};

TEST_F(TracingTest, WhoAsksIsTraced) {
  ASSERT_EQ(chat({}).status, 200);
  EXPECT_TRUE(ui().at("traces").as_array().empty());
  ASSERT_EQ(chat({{"x-trace", "0"}}).status, 200);
  EXPECT_TRUE(ui().at("traces").as_array().empty());
  ASSERT_EQ(chat({{"x-trace", "1"}}).status, 200);
  const json::value seen = ui();
  ASSERT_EQ(seen.at("traces").as_array().size(), 1u);
  const json::value& trace = seen.at("traces").at(0);
  EXPECT_EQ(trace.at("model").as_string(), "m");
  EXPECT_EQ(trace.at("kind").as_string(), "chat");
  EXPECT_TRUE(trace.at("done").as_bool());
  EXPECT_GT(trace.at("start_ms").to_number<double>(), 1.7e12);
  std::set<std::string> names;
  for (const json::value& span : trace.at("spans").as_array()) {
    names.emplace(span.at("name").as_string());
    EXPECT_GE(span.at("start_us").as_int64(), 0);
    EXPECT_GE(span.at("duration_us").as_int64(), 0);
  }
  for (const char* name :
       {"request", "http parse", "post_chat", "template and tokenise", "submit", "deliver"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_EQ(trace.at("spans").at(0).at("depth").as_int64(), 0);
}

TEST_F(TracingTest, TheAnswerNamesItsTrace) {
  const auto named = [](const Answer& answer) -> std::string {
    for (const auto& [name, value] : answer.whole.headers) {
      if (name == "x-trace-id") return value;
    }
    return "none";
  };
  EXPECT_EQ(named(chat({})), "none");
  const std::string whole = named(chat({{"x-trace", "1"}}));
  EXPECT_EQ(ui().at("traces").at(0).at("id").as_string(), whole);
  auto http =
      FakeServer::request("POST", "/v1/completions", R"({"model":"m","prompt":"a","stream":true})");
  http.headers["x-trace"] = "1";
  const std::string streamed = named(server.ask(std::move(http)));
  EXPECT_EQ(streamed.size(), 32u);
  EXPECT_EQ(admin("/traces/" + streamed).status, 200);
  EXPECT_NE(streamed, whole);
}

TEST_F(TracingTest, TheCallersTraceIdIsKept) {
  ASSERT_EQ(
      chat({{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}).status,
      200);
  EXPECT_EQ(ui().at("traces").at(0).at("id").as_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(admin("/traces/4bf92f3577b34da6a3ce929d0e0e4736").status, 200);
  EXPECT_EQ(admin("/traces/00000000000000000000000000000001").status, 404);
}

TEST_F(TracingTest, TellsNothingThatWasSaidOrWhoSaidIt) {
  auto http = FakeServer::request(
      "POST", "/v1/chat/completions",
      R"({"model":"m","user":"someone","messages":[{"role":"user","content":"my secret words"}]})");
  http.headers["x-trace"] = "1";
  http.headers["x-gateway-inference-fairness-id"] = "the-tenant";
  ASSERT_EQ(server.ask(std::move(http)).status, 200);
  server.workers.wait_idle();
  const std::string shown =
      server.ask(FakeServer::request("GET", "/ui/trace")).body + admin("/traces").body;
  EXPECT_NE(shown.find("post_chat"), std::string::npos);
  for (const char* hidden : {"secret", "Hello", "the-tenant", "someone"}) {
    EXPECT_EQ(shown.find(hidden), std::string::npos) << hidden;
  }
}

TEST_F(TracingTest, ARefusedRequestEndsItsTrace) {
  auto http = FakeServer::request("POST", "/v1/chat/completions",
                                  R"({"model":"m","messages":[],"max_tokens":1})");
  http.headers["x-trace"] = "1";
  ASSERT_EQ(server.ask(std::move(http)).status, 400);
  EXPECT_TRUE(ui().at("traces").at(0).at("done").as_bool());
}

// Complete events of one thread must nest, or Perfetto draws nonsense.
TEST_F(TracingTest, SpansThatOverlapLieOnDifferentThreads) {
  const TimePoint t = Clock::now();
  {
    const TraceHandle trace = server.traces.begin("pipeline", "p", t, true);
    trace.span("a", t + 1ms, t + 5ms, {{"rows", 3}});
    trace.inside().span("within a", t + 2ms, t + 3ms);
    trace.span("b", t + 4ms, t + 20ms);
  }
  const Answer answer = admin("/traces");
  ASSERT_EQ(answer.status, 200);
  std::map<std::string, json::value> events;
  for (const json::value& event : answer.json.at("traceEvents").as_array()) {
    if (event.at("ph").as_string() == "X")
      events[std::string(event.at("name").as_string())] = event;
  }
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events["a"].at("tid"), events["within a"].at("tid"));
  EXPECT_NE(events["a"].at("tid"), events["b"].at("tid"));
  EXPECT_EQ(events["a"].at("dur").as_int64(), 4000);
  EXPECT_EQ(events["a"].at("ts").as_int64() - events["request"].at("ts").as_int64(), 1000);
  EXPECT_EQ(events["a"].at("args").at("rows").as_int64(), 3);
}

TEST_F(TracingTest, TheNewestSoMany) {
  for (const char* model : {"one", "two", "three"}) {
    server.traces.begin("chat", model, Clock::now(), true);
  }
  const std::string two = admin("/traces", "limit=2").body;
  EXPECT_NE(two.find("three"), std::string::npos);
  EXPECT_NE(two.find("two"), std::string::npos);
  EXPECT_EQ(two.find("one"), std::string::npos);
  EXPECT_EQ(admin("/traces", "limit=many").status, 400);
}

}  // namespace
}  // namespace millrace::api
