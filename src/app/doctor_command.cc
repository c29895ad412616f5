#include "app/doctor_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "app/doctor.h"
#include "app/terminal.h"

namespace millrace::app {
namespace {

Colour colour_of(CheckState state) {
  if (state == CheckState::ok) return Colour::green;
  return state == CheckState::warn ? Colour::yellow : Colour::red;
}

void print_checks(const std::vector<Check>& checks) {
  const bool colour = use_colour(stdout);
  std::size_t width = 0;
  for (const Check& check : checks) width = std::max(width, check.name.size());
  for (const Check& check : checks) {
    const std::string state = fmt::format("{:<4}", to_string(check.state));
    fmt::print("{}  {:<{}}  {}{}\n", coloured(state, colour_of(check.state), colour), check.name,
               width, check.text, check.fix.empty() ? "" : " → " + check.fix);
  }
}

void print_json(const std::vector<Check>& checks, bool failed) {
  json::array array;
  for (const Check& check : checks) {
    array.push_back({{"name", check.name},
                     {"state", to_string(check.state)},
                     {"text", check.text},
                     {"fix", check.fix.empty() ? json::value(nullptr) : json::value(check.fix)},
                     {"details", check.details}});
  }
  fmt::print("{}\n", dump_json(json::object{{"ok", !failed}, {"checks", std::move(array)}}));
}

}  // namespace

int doctor_command(const DoctorCommand& command) {
  const std::vector<Check> checks = run_checks({.measure = !command.quick});
  const bool failed = std::ranges::any_of(
      checks, [](const Check& check) { return check.state == CheckState::fail; });
  if (command.json) {
    print_json(checks, failed);
  } else {
    print_checks(checks);
  }
  return failed ? 1 : 0;
}

}  // namespace millrace::app
