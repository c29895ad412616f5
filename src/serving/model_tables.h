// The tables of a model.toml that serving reads: [version-labels], [[state]], [[control]] and
// [[warmup]].
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/model_scan.h"

namespace millrace::serving {

// Errors name the file, the table and its key.
Status apply_model_tables(const SettingsFile& file, FoundModel& model);

// Whole sizes above 0: ascending, each once.
Result<std::vector<int>> batch_sizes(const std::vector<double>& sizes);

// KServe's and Triton's names of element types: "FP32", "TYPE_FP32", "TYPE_STRING".
std::optional<DType> parse_datatype(std::string_view name);

// A file that settings name: beneath the model's folder, of a bounded size.
Result<std::string> read_data_file(const std::filesystem::path& folder, const std::string& name);

}  // namespace millrace::serving
