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

TEST_F(CliTest, RunTakesAFileThatIsMeantForServe) {
  write("port = 9000\nmax-num-seqs = 3\n");
  const std::string config = file_.string();
  const auto run = std::get<RunCommand>(parse({"run", "m", "--config", config.c_str()}));
  EXPECT_EQ(run.config.max_num_seqs, 3);
  EXPECT_EQ(std::get<ExitCommand>(parse({"run", "m", "--port", "9000"})).code, kExitUsage);
  write("prot = 9000\n");
  EXPECT_EQ(std::get<ExitCommand>(parse({"run", "m", "--config", config.c_str()})).code,
            kExitConfig);
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

TEST_F(CliTest, WhatPeopleTypeFirst) {
  const auto text = [](std::vector<const char*> words) {
    return std::get<ExitCommand>(parse(std::move(words)));
  };
  EXPECT_NE(text({}).text.find("First steps"), std::string::npos);
  EXPECT_EQ(text({"help"}).code, 0);
  EXPECT_EQ(text({"help", "run"}).text, text({"run", "--help"}).text);
  EXPECT_TRUE(std::holds_alternative<VersionCommand>(parse({"--version"})));
  const ExitCommand unknown = text({"chat", "m"});
  EXPECT_EQ(unknown.code, kExitUsage);
  EXPECT_NE(unknown.text.find("no command \"chat\"; there are serve, run"), std::string::npos)
      << unknown.text;
  const ExitCommand missing = text({"run"});
  EXPECT_EQ(missing.code, kExitUsage);
  EXPECT_NE(missing.text.find("millrace run: model is required\n`millrace run --help`"),
            std::string::npos)
      << missing.text;
}

TEST_F(CliTest, HelpFitsAScreen) {
  for (const CommandTree& command : describe_commands().commands) {
    if (!command.commands.empty()) continue;  // reads its own arguments: bench_options_test
    auto help = std::get<ExitCommand>(parse({command.name.c_str(), "--help"}));
    EXPECT_EQ(help.code, 0);
    EXPECT_LE(std::ranges::count(help.text, '\n'), 40) << help.text;
  }
  EXPECT_LE(std::ranges::count(std::get<ExitCommand>(parse({"--help"})).text, '\n'), 40);
}

TEST_F(CliTest, HelpAllShowsTheRareOptionsToo) {
  const std::string help = std::get<ExitCommand>(parse({"serve", "--help"})).text;
  const std::string all = std::get<ExitCommand>(parse({"serve", "--help-all"})).text;
  EXPECT_EQ(help.find("--kv-cache-dtype"), std::string::npos);
  EXPECT_NE(all.find("--kv-cache-dtype"), std::string::npos);
  EXPECT_NE(help.find("--help-all"), std::string::npos);
  ServeConfig config;
  Settings settings;
  declare_settings(settings, config);
  for (const Setting& setting : settings.all())
    EXPECT_NE(all.find(setting.name), std::string::npos) << setting.name;
}

TEST_F(CliTest, APromptMayLookLikeAFlag) {
  const auto run = std::get<RunCommand>(parse({"run", "m", "--", "--help-all"}));
  EXPECT_EQ(run.prompt, "--help-all");
}

TEST_F(CliTest, Quantize) {
  const auto quantize = std::get<QuantizeCommand>(
      parse({"quantize", "m", "--output", "o", "--kind", "int4-g128", "--text", "t", "--pure"}));
  EXPECT_EQ(quantize.model, "m");
  EXPECT_EQ(quantize.output, "o");
  EXPECT_EQ(quantize.kind, "int4-g128");
  EXPECT_EQ(quantize.text_file, "t");
  EXPECT_TRUE(quantize.pure);
  EXPECT_EQ(quantize.tokens, 32'768);
  for (const std::vector<const char*>& wrong :
       {std::vector<const char*>{"quantize", "m"},
        {"quantize", "--output", "o"},
        {"quantize", "m", "--output", "o", "--kind", "none"},
        {"quantize", "m", "--output", "o", "--tokens", "1"}}) {
    EXPECT_EQ(std::get<ExitCommand>(parse(wrong)).code, kExitUsage);
  }
}

TEST_F(CliTest, PullModelsAndDoctor) {
  const auto pull = std::get<PullCommand>(
      parse({"pull", "hf:a/b:*.gguf@v1", "--to", "m", "--connections", "2", "--json"}));
  EXPECT_EQ(pull.source, "hf:a/b:*.gguf@v1");
  EXPECT_EQ(pull.to, "m");
  EXPECT_EQ(pull.connections, 2);
  EXPECT_TRUE(pull.json);
  EXPECT_EQ(std::get<ExitCommand>(parse({"pull"})).code, kExitUsage);
  EXPECT_EQ(std::get<ExitCommand>(parse({"pull", "hf:a/b", "--connections", "0"})).code,
            kExitUsage);
  EXPECT_EQ(std::get<ModelsCommand>(parse({"models", "x"})).dir, "x");
  EXPECT_TRUE(std::get<DoctorCommand>(parse({"doctor", "--quick"})).quick);
  EXPECT_EQ(std::get<ExitCommand>(parse({"completion", "tcsh"})).code, kExitUsage);
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
