// Triton's config.pbtxt beside a model: the fields that mean something here land in the same
// structs as model.toml's keys; the others are warned about.
// Source: triton-inference-server/common, protobuf/model_config.proto
#pragma once

#include <filesystem>

#include "base/result.h"
#include "serving/model_scan.h"
#include "serving/pbtxt.h"

namespace millrace::serving {

// Reads the model's folder's config.pbtxt, if there is one. Errors and warnings name file and line.
// `folder_name` is what the model's name must be. Call it before model.toml is applied, which wins.
Status apply_triton_config(const std::filesystem::path& folder, const std::string& folder_name,
                           FoundModel& model);

// The same of a text. Files that it names lie in `folder`.
Status apply_triton_config_text(std::string_view text, const std::filesystem::path& folder,
                                const std::string& folder_name, FoundModel& model);

// The file in a version's folder that config.pbtxt names as the model; empty where it names none.
std::string triton_model_filename(const std::filesystem::path& folder);

}  // namespace millrace::serving
