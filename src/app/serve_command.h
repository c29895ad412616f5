// `millrace serve`: starts the server, shows loading, waits for a signal. Returns the exit status.
#pragma once

#include "app/config.h"

namespace millrace::app {

int serve_command(const ServeConfig& config);

}  // namespace millrace::app
