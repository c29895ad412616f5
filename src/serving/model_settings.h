// model.toml: what one model is to do differently from the server's settings. It lies in the
// model's folder, or as <file>.toml beside a single file; each key is named as its flag is.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "servable/description.h"
#include "serving/image/image_settings.h"

namespace millrace::serving {

// Applies the file to the spec, if there is one. An unknown key or wrong value is an error that
// names file and line; `spec` may then be half changed.
// `image` gets the table [image], where there is one.
Status apply_model_settings(const std::filesystem::path& model_path, ModelSpec& spec,
                            std::optional<ImageSettings>* image = nullptr);

}  // namespace millrace::serving
