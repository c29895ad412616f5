// `millrace pull`: a model from elsewhere into a models folder. Returns the exit status.
#pragma once

#include <string>

#include "app/cli.h"
#include "base/result.h"

namespace millrace::app {

int pull_command(const PullCommand& command);

// sysexits.h's, as the manual page lists them.
int exit_status_of(const Error& error);
// "312.0 MiB of 1.2 GiB, 45.1 MiB/s, 20 s left"; the latter two where known.
std::string progress_text(std::int64_t present, std::int64_t size, double bytes_per_second);

}  // namespace millrace::app
