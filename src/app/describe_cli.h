// What CLI11 was told of a command line, as data.
#pragma once

#include <memory>
#include <string>

#include "app/command_tree.h"

namespace CLI {
class App;
class Error;
class FormatterBase;
}  // namespace CLI

namespace millrace::app {

// The group of the options that only --help-all shows.
inline constexpr const char* kRareOptions = "More options";

// Options of other groups than "" (the other form of a switch), and all sub-commands.
CommandTree describe_cli(const CLI::App& app);

// Help screens that name values as CommandTree does, without what CLI11 checks of them. Before
// sub-commands are added.
std::shared_ptr<CLI::FormatterBase> plain_formatter();

// "millrace run: model is required", and where to read on. As CLI11's failure_message wants it.
std::string usage_error(const CLI::App* program, const CLI::Error& error);

}  // namespace millrace::app
