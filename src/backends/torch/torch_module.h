// Finds and opens the module that holds LibTorch.
#pragma once

#include <filesystem>

#include "backends/torch/torch_program.h"
#include "base/result.h"

namespace millrace::backends {

// Beside the program that runs.
std::filesystem::path torch_module_path();
// Whether this build has it; opens nothing.
bool has_torch_module();

// Opens it, once a process; it is never closed. unavailable, with what to do, where it is not
// there. Thread-safe.
Result<const TorchLibrary*> open_torch_module();

}  // namespace millrace::backends
