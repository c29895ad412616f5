// Fetching a package of the Python package index with pip. Wheels only: nothing of the package is
// run.
#pragma once

#include <atomic>
#include <filesystem>

#include "base/result.h"
#include "hub/source_name.h"
#include "hub/token.h"

namespace millrace::hub {

// The wheel, in `folder`. pip's own settings hold (index, proxy, PIP_FIND_LINKS); MILLRACE_WHEELS
// names one more folder that may hold it. Where python3 has no pip, a virtual environment in
// `folder` gets one. `stop` true ends it: cancelled. Errors carry pip's last line.
Result<std::filesystem::path> fetch_wheel(const PackageSource& package,
                                          const std::filesystem::path& folder,
                                          const Environment& environment,
                                          const std::atomic<bool>* stop);

}  // namespace millrace::hub
