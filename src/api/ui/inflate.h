// The inverse of gzip, for the few clients that do not know it. The one file that names zlib.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::api {

// `gzip` is our own file and holds exactly `size` bytes; anything else is our bug (CHECK).
std::string inflate_gzip(std::string_view gzip, std::size_t size);

}  // namespace millrace::api
