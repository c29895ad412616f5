// From a models folder to what is to be loaded: `<name>/[<version>/]…` or single files, with the
// settings that lie beside them. Looks at names, sizes and times of model files only; which backend
// takes a model is the backends' own answer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "servable/servable.h"
#include "serving/graph_settings.h"
#include "serving/image/image_settings.h"
#include "serving/version_policy.h"

namespace millrace::serving {

// A model.toml as it lies there, for those who read tables of their own in it ([image] …).
struct SettingsFile {
  std::filesystem::path folder{};  // what paths in it are relative to
  std::string name{};              // for errors: "model.toml"
  std::string text{};
};

// One version of one model.
struct FoundModel {
  ModelSpec spec;                // name and path set, the rest from defaults and settings
  std::string version = "1";     // the numbered sub-folder's, if there is one
  Backend* backend = nullptr;    // the first that recognises the path
  std::optional<Error> error{};  // its settings are wrong: not to be loaded
  std::int64_t file_bytes = 0;   // of everything in the path: an estimate of the weights
  GraphSettings graph{};
  std::optional<ImageSettings> image{};        // of its model.toml
  VersionRules rules{};                        // the same in all versions of a model
  std::vector<SettingsFile> settings_files{};  // the model's own, then the version's
  std::vector<std::string> warnings{};         // about its settings; said when it is loaded
  std::uint64_t stamp = 0;  // another one when a file of it or its settings has changed
};

// Lower case, and a dash for whatever is not a letter, digit, dot, dash or underscore.
std::string model_name_of(std::string_view file_name);

// `path` is a folder of models, or one model itself. Every version that is to be served, sorted by
// name, then version. Entries that no backend recognises are left out with a warning, the first
// time they are seen; of two with one name the first stays. not_found when there is no such path.
Result<std::vector<FoundModel>> scan_models(const std::filesystem::path& path,
                                            const std::vector<Backend*>& backends,
                                            const ModelSpec& defaults);

}  // namespace millrace::serving
