// Which sources this binary was built from. Its own file, so that a commit relinks little.
#pragma once

namespace millrace::app {

extern const char* const kCommit;  // short hash of HEAD when it was built, or "unknown"

}  // namespace millrace::app
