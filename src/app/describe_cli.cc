#include "app/describe_cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <utility>

namespace millrace::app {
namespace {

// CLI11 adds what it checks to the name of a value: "N:INT in [1 - 8]", ":{chat,completions}".
std::string value_name_of(const CLI::Option& option) {
  if (option.get_expected_max() == 0) return "";
  const std::string type = option.get_type_name();
  const std::size_t colon = type.find(':');
  if (colon != 0) return type.substr(0, colon);
  std::string words = type.substr(1);
  std::erase_if(words, [](char c) { return c == '{' || c == '}'; });
  std::ranges::replace(words, ',', '|');
  return words;
}

class PlainFormatter final : public CLI::Formatter {
 public:
  PlainFormatter() { column_width(34); }
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string name = value_name_of(*option);
    return option->get_positional() || name.empty() ? "" : " " + name;
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> plain_formatter() {
  return std::make_shared<PlainFormatter>();
}

CommandTree describe_cli(const CLI::App& app) {
  CommandTree tree{
      .name = app.get_name(), .help = app.get_description(), .options = {}, .commands = {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    OptionInfo info{.name = option->get_positional() ? option->get_name(true)
                                                     : "--" + option->get_lnames().front(),
                    .value_name = value_name_of(*option),
                    .help = option->get_description(),
                    .positional = option->get_positional(),
                    .required = option->get_required(),
                    .rare = option->get_group() == kRareOptions};
    tree.options.push_back(std::move(info));
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    tree.commands.push_back(describe_cli(*command));
  return tree;
}

std::string usage_error(const CLI::App* program, const CLI::Error& error) {
  std::string name = program->get_name();
  for (const CLI::App* command : program->get_subcommands()) name += " " + command->get_name();
  return name + ": " + error.what() + "\n`" + name + " --help` says what it takes.\n";
}

}  // namespace millrace::app
