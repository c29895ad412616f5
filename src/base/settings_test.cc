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
            "m.toml:3: unknown setting \"prot\"; `millrace serve --help-all` lists them");
  EXPECT_EQ(error_of(settings_.apply_toml("port = 70000", "m.toml")),
            "m.toml:1: port: 70000 is not between 0 and 65535");
  EXPECT_NE(error_of(settings_.apply_toml("port = ", "m.toml")).find("m.toml:1"),
            std::string::npos);
  EXPECT_EQ(error_of(settings_.apply_environment([](const char* name) {
              return std::string(name) == "MILLRACE_LOG_LEVEL" ? "loud" : nullptr;
            })),
            "MILLRACE_LOG_LEVEL: \"loud\" is not one of info, debug");
}

TEST_F(SettingsTest, FilesMayHoldWhatAnotherCommandTakes) {
  std::int64_t other = 7;
  Settings others;
  others.integer("workers", other, 0, 8, "");
  others.integer("port", other, 0, 8, "");
  settings_.pass_over_in_files(others);
  ASSERT_TRUE(settings_.apply_toml("workers = 3\nport = 9000\n", "m.toml"));
  EXPECT_EQ(other, 7) << "they are not set there";
  EXPECT_EQ(port_, 9000) << "what both take is taken";
  EXPECT_NE(error_of(settings_.apply_toml("worker = 3", "m.toml")).find("unknown"),
            std::string::npos);
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

TEST(SettingsTables, ATableIsReadByItself) {
  std::vector<double> mean{1};
  std::vector<std::string> names;
  std::string kind;
  Settings settings;
  settings.numbers("mean", mean, 1, 3, "");
  settings.texts("names", names, "");
  settings.choice("kind", kind, {"a", "b"}, "");
  const auto error = [&](const char* toml) {
    const Status done = settings.apply_toml(toml, "m.toml", "t");
    return done ? std::string() : done.error().message;
  };
  EXPECT_EQ(error("x = 1\n[t]\nmean = [0.5, 2]\nnames = [\"a b\", \"\", \"c\"]\nkind = \"b\"\n"),
            "");
  EXPECT_EQ(mean, (std::vector<double>{0.5, 2}));
  EXPECT_EQ(names, (std::vector<std::string>{"a b", "", "c"}));
  EXPECT_EQ(error("[t]\nmean = 3\nnames = \"one\""), "");
  EXPECT_EQ(mean, (std::vector<double>{3}));
  EXPECT_EQ(names, (std::vector<std::string>{"one"}));
  EXPECT_EQ(error("[u]\nmean = 3"), "");
  EXPECT_EQ(error("[t]\nmean = [1, 2, 3, 4]"),
            "m.toml:2: [t] mean: 1 to 3 numbers are wanted, not 4");
  EXPECT_EQ(error("[t]\nmean = [inf]"), "m.toml:2: [t] mean: inf is not a finite number");
  EXPECT_EQ(error("[t]\nmean = [\"x\"]"), "m.toml:2: [t] mean: \"x\" is not a number");
  EXPECT_EQ(error("[t]\n\nmaen = 1"), "m.toml:3: [t] unknown setting \"maen\"");
  EXPECT_EQ(error("[t]\nkind = [\"a\"]"), "m.toml:2: [t] kind: a single value is wanted");
  EXPECT_EQ(error("[t]\nkind = \"c\""), "m.toml:2: [t] kind: \"c\" is not one of a, b");
  EXPECT_TRUE(has_toml_table("[t]", "t"));
  EXPECT_FALSE(has_toml_table("t = 1", "t"));
  EXPECT_FALSE(has_toml_table("[t", "t"));
  EXPECT_TRUE(settings.apply_toml("[image]\na = 1", "m.toml", {}, {"image"}));
  EXPECT_FALSE(settings.apply_toml("image = 1", "m.toml", {}, {"image"}));
}

}  // namespace
}  // namespace millrace
