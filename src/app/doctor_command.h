// `millrace doctor`: one line a check. Returns the exit status: 0 unless a check failed.
#pragma once

#include "app/cli.h"

namespace millrace::app {

int doctor_command(const DoctorCommand& command);

}  // namespace millrace::app
