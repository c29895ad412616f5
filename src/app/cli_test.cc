#include "app/cli.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace millrace::app {
namespace {

Command parse(std::vector<const char*> words) {
  words.insert(words.begin(), "millrace");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    file_ = std::filesystem::temp_directory_path() /
            ("millrace-cli-" + std::to_string(::getpid()) + ".toml");
  }
  void TearDown() override {
    std::filesystem::remove(file_);
    ::unsetenv("MILLRACE_PORT");
  }
  void write(const std::string& text) { std::ofstream(file_) << text; }
  std::filesystem::path file_;
};

TEST_F(CliTest, ServeDefaults) {
  const auto command = std::get<ServeCommand>(parse({"serve"}));
  EXPECT_EQ(command.config.models_dir, "models");
  EXPECT_EQ(command.config.port, 8000);
  EXPECT_TRUE(command.config.enable_prefix_caching);
}

TEST_F(CliTest, FlagsBeatEnvironmentBeatsFile) {
  write("port = 1111\nadmin-port = 1112\nmax-num-seqs = 3\n");
  ::setenv("MILLRACE_PORT", "2222", 1);
  const std::string config = file_.string();
  auto command =
      std::get<ServeCommand>(parse({"serve", "m", "--config", config.c_str(), "--max-num-seqs", "5",
                                    "--no-enable-prefix-caching"}));
  EXPECT_EQ(command.config.models_dir, "m");
  EXPECT_EQ(command.config.port, 2222);
  EXPECT_EQ(command.config.admin_port, 1112);
  EXPECT_EQ(command.config.max_num_seqs, 5);
  EXPECT_FALSE(command.config.enable_prefix_caching);
}

TEST_F(CliTest, ErrorsSayWhatAndWhere) {
  write("prot = 1\n");
  const std::string config = file_.string();
  auto unknown = std::get<ExitCommand>(parse({"serve", "--config", config.c_str()}));
  EXPECT_EQ(unknown.code, kExitConfig);
  EXPECT_NE(unknown.text.find(":1: unknown setting \"prot\""), std::string::npos) << unknown.text;
  EXPECT_EQ(std::get<ExitCommand>(parse({"serve", "--config", "/nonexistent.toml"})).code,
            kExitConfig);
  EXPECT_EQ(std::get<ExitCommand>(parse({"serve", "--port", "x"})).code, kExitConfig);
  EXPECT_EQ(std::get<ExitCommand>(parse({"serve", "--prot", "1"})).code, kExitUsage);
  EXPECT_EQ(std::get<ExitCommand>(parse({})).code, kExitUsage);
  auto exposed = std::get<ExitCommand>(parse({"serve", "--host", "0.0.0.0"}));
  EXPECT_NE(exposed.text.find("--insecure"), std::string::npos);
  EXPECT_TRUE(
      std::holds_alternative<ServeCommand>(parse({"serve", "--host", "0.0.0.0", "--insecure"})));
}

TEST_F(CliTest, HelpFitsAScreen) {
  for (const char* name : {"serve", "run", "version"}) {
    auto help = std::get<ExitCommand>(parse({name, "--help"}));
    EXPECT_EQ(help.code, 0);
    EXPECT_LE(std::ranges::count(help.text, '\n'), 50) << help.text;
  }
}

TEST_F(CliTest, RunTakesAModelAndAPrompt) {
  const auto run =
      std::get<RunCommand>(parse({"run", "m", "Hello", "--stats", "--temperature", "0"}));
  EXPECT_EQ(run.model, "m");
  EXPECT_EQ(run.prompt, "Hello");
  EXPECT_TRUE(run.stats);
  EXPECT_EQ(run.temperature, 0);
}

}  // namespace
}  // namespace millrace::app
