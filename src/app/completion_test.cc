#include "app/completion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "app/cli.h"
#include "app/commit.h"
#include "app/describe_cli.h"
#include "app/man_page.h"

namespace millrace::app {
namespace {

CommandTree sample() {
  return {
      .name = "prog",
      .help = "It's a program.",
      .options = {},
      .commands = {
          {.name = "go",
           .help = "Let's go: [fast].",
           .options = {{.name = "where", .value_name = "DIR", .help = "Place.", .positional = true},
                       {.name = "--how", .value_name = "slow|fast", .help = "Pace."},
                       {.name = "--loud", .value_name = "", .help = "It's loud."}},
           .commands = {}}}};
}

TEST(Completion, EveryShellKnowsCommandsOptionsAndChoices) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(sample(), shell);
    for (const char* word : {"go", "how", "slow", "fast", "loud"})
      EXPECT_NE(script.find(word), std::string::npos) << shell << ": " << word;
  }
  EXPECT_EQ(completion_script(sample(), "tcsh"), "");
}

TEST(Completion, EveryShellKnowsSubCommands) {
  CommandTree program = sample();
  program.commands[0].commands = {
      {.name = "far",
       .help = "Further.",
       .options = {{.name = "--by", .value_name = "near|wide", .help = "Way."}},
       .commands = {}}};
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(program, shell);
    for (const char* word : {"go", "far", "by", "wide"})
      EXPECT_NE(script.find(word), std::string::npos) << shell << ": " << word;
  }
}

TEST(Completion, QuotesAreEscapedAsEachShellWants) {
  EXPECT_NE(completion_script(sample(), "zsh").find("Let'\\''s go\\: \\[fast\\]"),
            std::string::npos);
  EXPECT_NE(completion_script(sample(), "fish").find("'Let\\'s go: [fast].'"), std::string::npos);
}

TEST(Completion, ChoicesOfAValue) {
  EXPECT_EQ(choices_of({.name = "--x", .value_name = "a|b", .help = ""}),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(choices_of({.name = "--x", .value_name = "FILE", .help = ""}).empty());
}

TEST(CommandTree, DescribesWhatIsDeclared) {
  const CommandTree program = describe_commands();
  EXPECT_EQ(program.name, "millrace");
  const auto serve = std::ranges::find(program.commands, "serve", &CommandTree::name);
  ASSERT_NE(serve, program.commands.end());
  const auto precision = std::ranges::find(serve->options, "--precision", &OptionInfo::name);
  ASSERT_NE(precision, serve->options.end());
  EXPECT_TRUE(precision->rare);
  EXPECT_EQ(choices_of(*precision).size(), 3u);
  const auto off =
      std::ranges::find(serve->options, "--no-enable-prefix-caching", &OptionInfo::name);
  ASSERT_NE(off, serve->options.end());
  EXPECT_EQ(off->value_name, "");
}

TEST(CommandTree, KnowsTheKindsOfBench) {
  const CommandTree program = describe_commands();
  const auto bench = std::ranges::find(program.commands, "bench", &CommandTree::name);
  ASSERT_NE(bench, program.commands.end());
  const auto serve = std::ranges::find(bench->commands, "serve", &CommandTree::name);
  ASSERT_NE(serve, bench->commands.end());
  const auto option = [&](const char* name) {
    return *std::ranges::find(serve->options, name, &OptionInfo::name);
  };
  EXPECT_TRUE(option("URL").positional);
  EXPECT_EQ(option("--users").value_name, "N") << "without what CLI11 says of its range";
  EXPECT_EQ(choices_of(option("--api")), (std::vector<std::string>{"chat", "completions"}));
  EXPECT_EQ(option("--no-usage").value_name, "");
}

TEST(ManPage, ListsSubCommandsUnderTheirFullNames) {
  CommandTree program = sample();
  program.commands[0].commands = {{.name = "far",
                                   .help = "Further.",
                                   .options = {{.name = "--by", .value_name = "N", .help = "How."}},
                                   .commands = {}}};
  const std::string page = man_page(program, "1.0");
  EXPECT_NE(page.find("\\fBprog go far\\fR [\\fIoptions\\fR]"), std::string::npos) << page;
  EXPECT_NE(page.find(".SS go far\nFurther.\n.TP\n\\fB\\-\\-by\\fR \\fIN\\fR"), std::string::npos)
      << page;
}

TEST(Commit, IsNeverEmpty) {
  EXPECT_FALSE(std::string(kCommit).empty());
}

TEST(ManPage, EscapesWhatRoffWouldTake) {
  CommandTree program = sample();
  program.commands[0].help = ".TH breaks \\n";
  const std::string page = man_page(program, "1.0");
  EXPECT_NE(page.find("\n\\&.TH breaks \\en\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\\fB\\-\\-how\\fR \\fIslow|fast\\fR"), std::string::npos);
}

}  // namespace
}  // namespace millrace::app
