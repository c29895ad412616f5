// `millrace run`: one model in this process, answers streamed to the terminal. Returns the exit
// status.
#pragma once

#include "app/cli.h"

namespace millrace::app {

int run_command(const RunCommand& command);

}  // namespace millrace::app
