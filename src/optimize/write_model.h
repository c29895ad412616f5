// The file of a quantised model: its matrices in our own kinds, all else as it was.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "optimize/quantise_model.h"
#include "weights/weight_file.h"
#include "weights/weight_writer.h"

namespace millrace::optimize {

struct WrittenModel {
  std::uint64_t file_bytes = 0;
  std::int64_t num_weights = 0;  // of the matrices
  std::uint64_t weight_bytes = 0;
};

// `label` ("int4-g64") goes into the metadata.
Result<WrittenModel> write_model(const weights::WeightFile& source, const QuantisedModel& model,
                                 std::string_view label, weights::FileFormat format,
                                 const std::filesystem::path& file);

}  // namespace millrace::optimize
