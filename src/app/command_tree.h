// The commands and their options as data. Whatever describes the command line (completion, manual
// page) is made from this, and this from the declarations that parse it.
#pragma once

#include <string>
#include <vector>

namespace millrace::app {

struct OptionInfo {
  std::string name;        // "--port"; of a positional "models_dir"
  std::string value_name;  // "N", "FILE", "a|b"; empty for a switch
  std::string help;
  bool positional = false, required = false;
  bool rare = false;  // --help-all only
};

struct CommandTree {
  std::string name;
  std::string help;
  std::vector<OptionInfo> options;
  std::vector<CommandTree> commands;
};

// "a|b|c" → its words; nothing where the value is free.
std::vector<std::string> choices_of(const OptionInfo& option);

}  // namespace millrace::app
