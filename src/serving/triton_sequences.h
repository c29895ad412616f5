// The parts of config.pbtxt that hold tensors: sequence_batching and model_warmup, and the types
// and sizes that they share with inputs and outputs.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "serving/graph_settings.h"
#include "serving/pbtxt_fields.h"

namespace millrace::serving {

Status read_data_type(const PbtxtSource& source, const PbtxtField& field,
                      std::optional<DType>& out);
// One of a repeated field's sizes, added to `out`; -1 is any.
Status read_dim(const PbtxtSource& source, const PbtxtField& field, std::vector<std::int64_t>& out);
// One of dynamic_batching's preferred_batch_size.
Status preferred_size(const PbtxtSource& source, const PbtxtField& field, BatchSettings& batch);

// Files of initial states lie in <folder>/initial_state, of warm-up samples in <folder>/warmup.
Status read_sequence_batching(const PbtxtSource& source, const PbtxtField& field,
                              const std::filesystem::path& folder, GraphSettings& graph);
Status read_model_warmup(const PbtxtSource& source, const PbtxtField& field,
                         const std::filesystem::path& folder, GraphSettings& graph);

}  // namespace millrace::serving
