// The checks of `millrace doctor`. A new check is one function in doctor.cc's list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace millrace::app {

enum class CheckState : std::uint8_t { ok, warn, fail };
const char* to_string(CheckState state);

struct Check {
  std::string name;
  CheckState state = CheckState::ok;
  std::string text;        // one line: what is
  std::string fix{};       // what to do, unless ok
  json::object details{};  // the same for scripts
};

struct DoctorOptions {
  bool measure = true;  // takes a second and every core
  std::vector<int> ports = {8000, 8001, 8002};
};

std::vector<Check> run_checks(const DoctorOptions& options);

}  // namespace millrace::app
