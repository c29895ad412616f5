// From a models folder to what is to be loaded: `<name>/[<version>/]…` or single files. Looks at
// names and sizes only; which backend takes a model is the backends' own answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "servable/servable.h"
#include "serving/image/image_settings.h"

namespace millrace::serving {

struct FoundModel {
  ModelSpec spec;                        // name and path set, the rest from the defaults
  std::string version = "1";             // name of the numbered sub-folder, if there is one
  Backend* backend = nullptr;            // the first that recognises the path
  std::optional<Error> error{};          // its model.toml is wrong: not to be loaded
  std::int64_t file_bytes = 0;           // of everything in the path: an estimate of the weights
  std::optional<ImageSettings> image{};  // of its model.toml
};

// Lower case, and a dash for whatever is not a letter, digit, dot, dash or underscore.
std::string model_name_of(std::string_view file_name);

// `path` is a folder of models, or one model itself. Sorted by name. Entries that no backend
// recognises are left out with a warning; of two with one name the first stays. not_found when
// there is no such path.
Result<std::vector<FoundModel>> scan_models(const std::filesystem::path& path,
                                            const std::vector<Backend*>& backends,
                                            const ModelSpec& defaults);

}  // namespace millrace::serving
