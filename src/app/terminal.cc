#include "app/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

namespace millrace::app {

bool is_terminal(std::FILE* file) {
  return ::isatty(::fileno(file)) != 0;
}

bool use_colour(std::FILE* file) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_colour && *no_colour) return false;
  return is_terminal(file) && terminal && std::string_view(terminal) != "dumb";
}

std::string coloured(std::string_view text, Colour colour, bool on) {
  if (!on) return std::string(text);
  int code = 0;
  switch (colour) {
    case Colour::green:
      code = 32;
      break;
    case Colour::yellow:
      code = 33;
      break;
    case Colour::red:
      code = 31;
      break;
    case Colour::dim:
      code = 2;
      break;
    case Colour::bold:
      code = 1;
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

}  // namespace millrace::app
