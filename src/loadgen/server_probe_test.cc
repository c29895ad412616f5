#include "loadgen/server_probe.h"

#include <gtest/gtest.h>

#include "loadgen/canned_server.h"

namespace millrace::loadgen {
namespace {

Target target_of(const CannedServer& server) {
  return {.host = "127.0.0.1", .port = server.port()};
}

TEST(ServerProbe, finds_the_first_model) {
  CannedServer server([](int) {
    return std::vector{say(plain_answer("200 OK", R"({"data":[{"id":"a"},{"id":"b"}]})"))};
  });
  const Target target = target_of(server);
  EXPECT_EQ(*ServerProbe(target, "").first_model(), "a");
}

TEST(ServerProbe, passes_over_models_that_write_no_text) {
  CannedServer server([](int) {
    return std::vector{say(plain_answer("200 OK", R"({"data":[{"id":"a","capabilities":["detect"]},
        {"id":"b","capabilities":["chat","completions"]}]})"))};
  });
  const Target target = target_of(server);
  EXPECT_EQ(*ServerProbe(target, "").first_model(), "b");
}

TEST(ServerProbe, a_server_without_models_says_so) {
  CannedServer server(
      [](int) { return std::vector{say(plain_answer("200 OK", R"({"data":[]})"))}; });
  const Target target = target_of(server);
  const auto model = ServerProbe(target, "").first_model();
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().kind, ErrorKind::not_found);
}

// Every answer counts the same, so no word has a cost: the probe reports it instead of dividing by
// nothing.
TEST(ServerProbe, asks_usage_where_tokenize_is_missing_and_reports_nonsense) {
  CannedServer server([](int n) {
    return std::vector{n == 0 ? say(plain_answer("404 Not Found", "{}"))
                              : say(plain_answer("200 OK", R"({"usage":{"prompt_tokens":3}})"))};
  });
  const Target target = target_of(server);
  std::string method;
  const auto maker = ServerProbe(target, "").calibrate({.model = "m"}, method);
  EXPECT_EQ(method, "usage");
  ASSERT_FALSE(maker);
  EXPECT_NE(maker.error().message.find("counts no tokens"), std::string::npos);
}

TEST(ServerProbe, hands_the_servers_words_on) {
  CannedServer server([](int) {
    return std::vector{say(plain_answer("401 Unauthorized", R"({"error":{"message":"no key"}})"))};
  });
  const Target target = target_of(server);
  std::string method;
  const auto maker = ServerProbe(target, "").calibrate({.model = "m"}, method);
  ASSERT_FALSE(maker);
  EXPECT_NE(maker.error().message.find("no key"), std::string::npos);
}

}  // namespace
}  // namespace millrace::loadgen
