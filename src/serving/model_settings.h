// model.toml: what one model is to do differently from the server's settings. It lies in the
// model's folder, in a version's, or as <file>.toml beside a single file; each key is named as its
// flag is. Tables: [version-labels], [[state]], [[control]], [[warmup]] and [image] are read here;
// [[input]] and [[output]] are left to others.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "serving/model_scan.h"

namespace millrace::serving {

// The file that belongs to a model's folder or file, if there is one.
Result<std::optional<SettingsFile>> read_settings_file(const std::filesystem::path& model_path);

// Applies it to the model. An unknown key or wrong value is an error that names file and line;
// `model` may then be half changed. In a version's own folder (`of_version`) what concerns all
// versions is refused.
Status apply_model_settings(const SettingsFile& file, bool of_version, FoundModel& model);

}  // namespace millrace::serving
