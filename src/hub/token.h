// The access token of a hub: from the command line, the environment, or the file that the hub's own
// command line keeps.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace millrace::hub {

// Null: not set. getenv, or a test's map.
using Environment = std::function<const char*(const char* variable)>;

// `given`, else HF_TOKEN, else the file of HF_TOKEN_PATH, $HF_HOME/token,
// $XDG_CACHE_HOME/huggingface/token, ~/.cache/huggingface/token. Empty where there is none. A token
// that could not stand in a header is refused; the message never quotes it.
Result<std::string> find_token(const std::string& given, const Environment& environment);

}  // namespace millrace::hub
