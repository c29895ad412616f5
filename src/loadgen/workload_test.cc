#include "loadgen/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace millrace::loadgen {
namespace {

PromptMaker word_maker() {
  const auto maker = PromptMaker::calibrate([](const std::string& text) -> Result<int> {
    return static_cast<int>(
               std::ranges::count_if(text, [](char c) { return c == ' ' || c == '.'; })) +
           1;
  });
  EXPECT_TRUE(maker);
  return *maker;
}

json::object parsed(const RequestPlan& plan) {
  auto value = parse_json(plan.body);
  EXPECT_TRUE(value) << plan.body;
  return value->as_object();
}

TEST(Workload, completions_bodies_say_what_was_asked) {
  WorkloadOptions options{.model = "m \"x\"", .prompt = LengthDistribution::fixed(20)};
  options.extra["top_k"] = 5;
  options.extra["temperature"] = 0.5;
  const Workload workload(options, word_maker());
  const RequestPlan plan = workload.request(3);
  const json::object body = parsed(plan);
  EXPECT_EQ(body.at("model"), "m \"x\"");
  EXPECT_EQ(body.at("stream"), true);
  EXPECT_EQ(body.at("stream_options").at("include_usage"), true);
  EXPECT_EQ(body.at("ignore_eos"), true);
  EXPECT_EQ(body.at("max_tokens"), 64);
  EXPECT_EQ(body.at("top_k"), 5);
  EXPECT_EQ(body.at("temperature"), 0.5);  // extra fields win
  const std::string text(body.at("prompt").as_string());
  EXPECT_EQ(std::ranges::count(text, ' ') + 1, 20);
  EXPECT_EQ(plan.prompt_tokens, 20);
  EXPECT_STREQ(workload.path(), "/v1/completions");
}

TEST(Workload, chat_bodies_carry_one_message) {
  const Workload workload({.model = "m", .api = Api::chat, .ignore_eos = false}, word_maker());
  const json::object body = parsed(workload.request(0));
  EXPECT_EQ(body.at("messages").at(0).at("role"), "user");
  EXPECT_FALSE(body.contains("ignore_eos"));
  EXPECT_STREQ(workload.path(), "/v1/chat/completions");
}

TEST(Workload, requests_depend_on_seed_and_index_alone) {
  const Workload one({.seed = 1}, word_maker()), again({.seed = 1}, word_maker()),
      other({.seed = 2}, word_maker());
  std::set<std::string> bodies;
  for (std::uint64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(one.request(i).body, again.request(i).body);
    EXPECT_NE(one.request(i).body, other.request(i).body);
    bodies.insert(one.request(i).body);
  }
  EXPECT_EQ(bodies.size(), 50U);
}

TEST(Workload, token_ids_come_in_the_asked_number_with_shared_prefixes) {
  const Workload workload({.prompt = LengthDistribution::fixed(10),
                           .prefix_tokens = 5,
                           .prefix_groups = 3,
                           .token_id_limit = 32000},
                          std::nullopt);
  std::map<std::string, int> prefixes;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const RequestPlan plan = workload.request(i);
    const json::array ids = parsed(plan).at("prompt").as_array();
    ASSERT_EQ(ids.size(), 15U);
    EXPECT_EQ(plan.prompt_tokens, 15);
    json::array prefix(ids.begin(), ids.begin() + 5);
    ++prefixes[dump_json(prefix)];
    for (const auto& id : ids) {
      EXPECT_GE(id.as_int64(), 1000);
      EXPECT_LT(id.as_int64(), 32000);
    }
  }
  EXPECT_EQ(prefixes.size(), 3U);
}

TEST(Workload, counting_bodies_are_not_streamed) {
  const Workload workload({.model = "m"}, word_maker());
  const auto body = parse_json(workload.counting_body("a \"quoted\" word"));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->at("prompt"), "a \"quoted\" word");
  EXPECT_EQ(body->at("stream"), false);
  EXPECT_EQ(body->at("max_tokens"), 1);
}

}  // namespace
}  // namespace millrace::loadgen
