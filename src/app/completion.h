// Completion scripts for shells, made from the declared commands.
#pragma once

#include <string>
#include <string_view>

#include "app/command_tree.h"

namespace millrace::app {

// shell: "bash", "zsh" or "fish"; empty text for another one.
std::string completion_script(const CommandTree& program, std::string_view shell);

}  // namespace millrace::app
