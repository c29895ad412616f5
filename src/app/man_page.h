// The manual page millrace(1) in roff, made from the declared commands and settings.
#pragma once

#include <string>

#include "app/command_tree.h"

namespace millrace::app {

std::string man_page(const CommandTree& program, const std::string& version);

}  // namespace millrace::app
