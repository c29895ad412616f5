// How errors about model files are worded: one place, so that none carries a path or raw bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::weights {

// A field of the file is wrong; the opener adds the file's name with in_file().
std::unexpected<Error> bad_file(std::string message);

// "<base name>: " before the message, for errors that do not name their file yet.
std::unexpected<Error> in_file(std::string_view base_name, Error error);

// A name out of the file, quoted, cut to a readable length, anything unprintable as '?'.
std::string shown_name(std::string_view name);

}  // namespace millrace::weights
