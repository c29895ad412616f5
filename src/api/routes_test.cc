#include "api/routes.h"

#include <gtest/gtest.h>

#include "api/admin/health.h"
#include "api/fake_server.h"
#include "api/openai/models.h"
#include "api/openai/tokenize.h"

namespace millrace::api {
namespace {

class RoutesTest : public testing::Test {
 protected:
  Answer get(const std::string& path, bool admin = false) {
    return server.ask(FakeServer::request("GET", path), admin);
  }
  FakeServer server{{.version = "1.2.3"}};
};

TEST_F(RoutesTest, Models) {
  const Answer list = get("/v1/models");
  EXPECT_EQ(list.json.at("object").as_string(), "list");
  ASSERT_EQ(list.json.at("data").as_array().size(), 1u);
  const auto& entry = list.json.at("data").at(0);
  EXPECT_EQ(entry.at("id").as_string(), "m");
  EXPECT_EQ(entry.at("object").as_string(), "model");
  EXPECT_EQ(entry.at("owned_by").as_string(), "millrace");
  EXPECT_EQ(entry.at("max_model_len").as_int64(), 512);
  EXPECT_EQ(json::serialize(entry.at("capabilities")), R"(["chat","completions"])");
  EXPECT_EQ(get("/v1/models/m").json.at("id").as_string(), "m");
  const Answer unknown = get("/v1/models/org/name");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.error("code"), "model_not_found");
}

TEST_F(RoutesTest, TokenizeAndBack) {
  const Answer text =
      server.post("/tokenize", R"({"model":"m","prompt":"Hi<|end|>","return_token_strs":true})");
  ASSERT_EQ(text.status, 200) << text.body;
  EXPECT_EQ(text.json.at("count").as_int64(), 3);
  EXPECT_EQ(text.json.at("max_model_len").as_int64(), 512);
  EXPECT_EQ(text.json.at("tokens").at(2).as_int64(), serving::kFakeEnd);
  EXPECT_EQ(text.json.at("token_strs").at(2).as_string(), "<|end|>");
  const Answer chat = server.post("/tokenize", std::string(R"({"model":"m",)") + kHello + "}");
  EXPECT_EQ(chat.json.at("tokens").at(0).as_int64(), serving::kFakeStart);
  const Answer back = server.post("/detokenize", R"({"model":"m","tokens":[72,105,258]})");
  EXPECT_EQ(back.json.at("prompt").as_string(), "Hi<|end|>");
  EXPECT_EQ(server.post("/detokenize", R"({"model":"m","tokens":[259]})").error("param"), "tokens");
  EXPECT_EQ(server.post("/detokenize", R"({"model":"m"})").error("code"),
            "missing_required_parameter");
  EXPECT_EQ(server.post("/tokenize", R"({"model":"m"})").error("param"), "prompt");
  EXPECT_EQ(server.post("/tokenize", R"({"model":"m","prompt":5})").error("param"), "prompt");
}

TEST_F(RoutesTest, HealthFollowsTheEngine) {
  EXPECT_EQ(get("/health/live").status, 200);
  EXPECT_EQ(get("/health/ready").status, 200);
  EXPECT_EQ(get("/health").status, 200);
  server.generator().next_stats.last_step_age_seconds = kMaxStepAgeSeconds + 1;
  EXPECT_EQ(get("/health/live").status, 200) << "an idle engine makes no steps";
  server.generator().next_stats.num_running = 1;
  EXPECT_EQ(get("/health/live").status, 503);
  EXPECT_EQ(get("/ping", true).status, 503);
  server.admission.close();
  EXPECT_EQ(get("/health/ready").status, 503);
  const Answer late = server.chat(kHello);
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(late.error("code"), "shutting_down");
}

TEST_F(RoutesTest, VersionMetricsAndStates) {
  EXPECT_EQ(get("/version").json.at("version").as_string(), "1.2.3");
  const Answer metrics = get("/metrics", true);
  EXPECT_TRUE(metrics.whole.content_type.starts_with("text/plain; version=0.0.4"));
  EXPECT_NE(metrics.body.find("millrace_kv_blocks"), std::string::npos);
  const Answer states = get("/models", true);
  EXPECT_EQ(states.json.at("models").at(0).at("state").as_string(), "ready");
}

TEST_F(RoutesTest, OnlyWhatIsInTheTable) {
  EXPECT_EQ(server.router.match("GET", "/metrics").status, 404) << "operators only";
  EXPECT_EQ(server.router.match("GET", "/v1/chat/completions").status, 405);
  EXPECT_EQ(server.router.match("GET", "/v1/chat/completions").allow, "POST");
  EXPECT_EQ(server.router.match("POST", "/invocations").status, 404);
}

}  // namespace
}  // namespace millrace::api
