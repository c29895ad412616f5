// Sharded safetensors models; single files are open_safetensors() in weight_file.h.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "weights/weight_file.h"

namespace millrace::weights {

// `index` is a model.safetensors.index.json. Its shards must be plain files of the same folder. The
// tensors are those that the index names.
Result<std::unique_ptr<WeightFile>> open_safetensors_index(const std::filesystem::path& index);

}  // namespace millrace::weights
