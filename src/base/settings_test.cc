#include "base/settings.h"

#include <gtest/gtest.h>

#include <map>

namespace millrace {
namespace {

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    settings_.text("host", host_, "ADDRESS", "Where to listen.");
    settings_.integer("port", port_, 0, 65535, "HTTP port.");
    settings_.choice("log-level", level_, {"info", "debug"}, "How much to say.");
    settings_.bytes("memory-limit", memory_, "All models together.");
    settings_.flag("enable-prefix-caching", caching_, "Reuse prefixes.");
    settings_.number("share", share_, 0, 1, "A ratio.");
  }
  std::string error_of(const Status& status) { return status ? "" : status.error().message; }

  std::string host_ = "127.0.0.1", level_ = "info";
  std::int64_t port_ = 8000, memory_ = 0;
  bool caching_ = true;
  double share_ = 0.5;
  Settings settings_;
};

TEST_F(SettingsTest, FileThenEnvironment) {
  ASSERT_TRUE(settings_.apply_toml(
      "port = 9000\nlog_level = \"debug\"\nmemory-limit = \"2GiB\"\nshare = 0.25\n", "m.toml"));
  const std::map<std::string, std::string> env{{"MILLRACE_PORT", "9100"},
                                               {"MILLRACE_ENABLE_PREFIX_CACHING", "off"}};
  ASSERT_TRUE(settings_.apply_environment([&](const char* name) {
    const auto found = env.find(name);
    return found == env.end() ? nullptr : found->second.c_str();
  }));
  EXPECT_EQ(port_, 9100);
  EXPECT_EQ(level_, "debug");
  EXPECT_EQ(memory_, std::int64_t{2} << 30);
  EXPECT_EQ(share_, 0.25);
  EXPECT_FALSE(caching_);
}

TEST_F(SettingsTest, ErrorsNamePlaceAndKey) {
  EXPECT_EQ(error_of(settings_.apply_toml("port = 1\n\nprot = 2\n", "m.toml")),
            "m.toml:3: unknown setting \"prot\"; `millrace serve --help` lists them");
  EXPECT_EQ(error_of(settings_.apply_toml("port = 70000", "m.toml")),
            "m.toml:1: port: 70000 is not between 0 and 65535");
  EXPECT_NE(error_of(settings_.apply_toml("port = ", "m.toml")).find("m.toml:1"),
            std::string::npos);
  EXPECT_EQ(error_of(settings_.apply_environment([](const char* name) {
              return std::string(name) == "MILLRACE_LOG_LEVEL" ? "loud" : nullptr;
            })),
            "MILLRACE_LOG_LEVEL: \"loud\" is not one of info, debug");
}

TEST_F(SettingsTest, DefaultsAreShown) {
  EXPECT_EQ(settings_.find("port")->default_text, "8000");
  EXPECT_EQ(settings_.find("memory-limit")->default_text, "auto");
  EXPECT_EQ(settings_.find("nothing"), nullptr);
}

TEST(ByteSize, ReadsAndWrites) {
  EXPECT_EQ(*parse_byte_size("1500"), 1500);
  EXPECT_EQ(*parse_byte_size("1.5K"), 1536);
  EXPECT_EQ(*parse_byte_size("2GB"), 2'000'000'000);
  EXPECT_FALSE(parse_byte_size("many"));
  EXPECT_FALSE(parse_byte_size("1XB"));
  EXPECT_FALSE(parse_byte_size("99999999TiB"));
  EXPECT_EQ(format_byte_size(98362432), "93.8 MiB");
}

}  // namespace
}  // namespace millrace
