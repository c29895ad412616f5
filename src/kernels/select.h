// The single switch in the program: which kernel table this machine runs.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/kernels.h"

namespace millrace::kernels {

// The best table this machine can run. `name` forces one ("reference", "avx2", …; "auto" or empty
// chooses); an unknown name, or a table the machine cannot run, is an error that lists those it
// can. Asks the operating system for AMX tiles when needed. Thread-safe; tables live as long as the
// program.
Result<const Kernels*> select_kernels(std::string_view name = "auto");

// Every table this machine can run, reference first: what tests compare.
std::vector<const Kernels*> runnable_kernels();

}  // namespace millrace::kernels
