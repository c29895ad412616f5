#include "api/ui/state.h"

#include <gtest/gtest.h>

#include <string>

#include "api/fake_server.h"

namespace millrace::api {
namespace {

class UiStateTest : public testing::Test {
 protected:
  Answer get() { return server.ask(FakeServer::request("GET", "/ui/state")); }
  json::value model() { return get().json.at("models").at(0); }
  FakeServer server{{.version = "1.2.3"}};
};

TEST_F(UiStateTest, SaysWhatTheServerIs) {
  const Answer state = get();
  ASSERT_EQ(state.status, 200);
  EXPECT_EQ(state.json.at("version").as_string(), "1.2.3");
  EXPECT_EQ(state.json.at("requests").as_int64(), 0);
  EXPECT_GT(state.json.at("memory_limit_bytes").as_int64(), 0);
  EXPECT_GE(state.json.at("process").at("num_cpus").as_int64(), 1);
  EXPECT_GT(get().json.at("seconds").to_number<double>(),
            state.json.at("seconds").to_number<double>());
}

TEST_F(UiStateTest, ShowsTheModelAsTheEngineTellsIt) {
  server.generator().next_stats = {.num_running = 3,
                                   .num_waiting = 2,
                                   .num_blocks = 100,
                                   .num_free_blocks = 60,
                                   .num_cached_blocks = 30};
  const json::value m = model();
  EXPECT_EQ(m.at("name").as_string(), "m");
  EXPECT_EQ(m.at("state").as_string(), "ready");
  EXPECT_EQ(m.at("max_model_len").as_int64(), 512);
  const json::value& live = m.at("live");
  EXPECT_EQ(live.at("running").as_int64(), 3);
  EXPECT_EQ(live.at("waiting").as_int64(), 2);
  EXPECT_EQ(live.at("kv_blocks").as_int64(), 100);
  EXPECT_EQ(live.at("kv_blocks_free").as_int64(), 60);
  EXPECT_EQ(live.at("kv_blocks_cached").as_int64(), 30);
  EXPECT_TRUE(live.at("ttft").as_object().empty()) << "this model measures nothing";
}

TEST_F(UiStateTest, SaysWhoChats) {
  EXPECT_TRUE(model().at("chats").as_bool());
  FakeServer base({}, [](const ModelSpec&, serving::FakeServable& servable) -> Status {
    servable.assets.chat_template.clear();
    return {};
  });
  const Answer state = base.ask(FakeServer::request("GET", "/ui/state"));
  EXPECT_FALSE(state.json.at("models").at(0).at("chats").as_bool()) << "it has no template";
}

TEST_F(UiStateTest, CountsAreThoseOfTheMetrics) {
  const MetricLabels labels = {{"model_name", "m"}};
  Metrics& metrics = server.context.metrics;
  metrics.counter("millrace_generation_tokens_total", "", labels).add(42);
  metrics.counter("millrace_generation_tokens_total", "", {{"model_name", "other"}}).add(7);
  for (const char* reason : {"stop", "length"}) {
    metrics
        .counter("millrace_requests_finished_total", "",
                 {{"model_name", "m"}, {"finished_reason", reason}})
        .add(2);
  }
  const auto ttft = metrics.histogram("millrace_time_to_first_token_seconds", "", {0.1, 1}, labels);
  ttft.observe(0.05);
  ttft.observe(0.5);
  ttft.observe(0.5);
  const json::value state = model();
  const json::value& live = state.at("live");
  EXPECT_EQ(live.at("generation_tokens").to_number<double>(), 42);
  EXPECT_EQ(live.at("finished").to_number<double>(), 4);
  EXPECT_EQ(live.at("refused").to_number<double>(), 0);
  EXPECT_EQ(json::serialize(live.at("ttft").at("counts")), "[1,2,0]");
  EXPECT_EQ(live.at("ttft").at("bounds").as_array().size(), 2u);
  EXPECT_NEAR(live.at("ttft").at("sum").to_number<double>(), 1.05, 1e-9);
}

TEST_F(UiStateTest, TellsNothingThatWasSaid) {
  const Answer asked = server.chat(R"("messages":[{"role":"user","content":"my secret words"}])");
  ASSERT_EQ(asked.status, 200);
  const std::string body = get().body;
  EXPECT_EQ(body.find("secret"), std::string::npos);
  EXPECT_EQ(body.find("Hello"), std::string::npos) << "the answer";
  EXPECT_EQ(body.find("/tmp"), std::string::npos) << "paths are the operators'";
  EXPECT_EQ(get().whole.headers.front().second, "no-store");
}

}  // namespace
}  // namespace millrace::api
