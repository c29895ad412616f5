#include <cstdio>
#include <variant>

#include "app/cli.h"

int main(int argc, char** argv) {
  const millrace::app::Command command = millrace::app::parse_command_line(argc, argv);
  if (const auto* end = std::get_if<millrace::app::ExitCommand>(&command)) {
    std::fputs(end->text.c_str(), end->code == 0 ? stdout : stderr);
    return end->code;
  }
  return 0;
}
