// `millrace models`: the table of a folder. Returns the exit status.
#pragma once

#include "app/cli.h"

namespace millrace::app {

int models_command(const ModelsCommand& command);

}  // namespace millrace::app
