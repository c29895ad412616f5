// What a terminal is given and a file is not: colours and bars.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace millrace::app {

bool is_terminal(std::FILE* file);
// On a terminal that is not "dumb", unless NO_COLOR is set (https://no-color.org).
bool use_colour(std::FILE* file);

enum class Colour { green, yellow, red, dim, bold };
// `text` in that colour where `on`, else as it is.
std::string coloured(std::string_view text, Colour colour, bool on);

}  // namespace millrace::app
