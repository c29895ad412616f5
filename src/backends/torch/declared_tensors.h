// What a graph's own file does not say of its tensors and model.toml does: [[input]] and
// [[output]], each with name, dtype ("FP32") and shape (-1: any size).
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "servable/tensor_model.h"

namespace millrace::backends {

struct DeclaredTensors {
  std::vector<TensorSpec> inputs{}, outputs{};
};

// Reads model.toml of the model's folder, and <file>.toml beside a single file; of a version's
// folder (a number) the one beside it first. A later file's tables replace an earlier one's. Empty
// where there are none. Errors name file, line and key.
Result<DeclaredTensors> read_declared_tensors(const std::filesystem::path& model_path);

}  // namespace millrace::backends
