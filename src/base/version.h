// The version, from CMake's project().
#pragma once

namespace millrace {

extern const char* const kVersion;  // "0.1.0"
extern const char* const kCommit;   // short hash of the build's commit, or "unknown"

}  // namespace millrace
