// The version, from CMake's project().
#pragma once

namespace millrace {

extern const char* const kVersion;  // "0.1.0"

}  // namespace millrace
