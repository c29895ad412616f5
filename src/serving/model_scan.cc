#include "serving/model_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>

#include "base/log.h"
#include "serving/file_stamp.h"
#include "serving/model_settings.h"
#include "serving/triton_config.h"

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

// A folder is looked at again and again where it is watched: what is left out is said once.
void warn_once(const std::string& what) {
  constexpr std::size_t kMaxRemembered = 10'000;
  static std::mutex mutex;
  static std::set<std::string> said;
  std::lock_guard lock(mutex);
  if (said.size() < kMaxRemembered && said.insert(what).second) log_warn("{}", what);
}

Backend* backend_for(const ModelSpec& spec, const std::vector<Backend*>& backends) {
  const auto found = std::ranges::find_if(
      backends, [&](const Backend* backend) { return backend->recognises(spec); });
  return found == backends.end() ? nullptr : *found;
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->path().filename().string().starts_with('.')) paths.push_back(it->path());
  }
  std::ranges::sort(paths);
  return paths;
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

class Scan {
 public:
  Scan(const std::vector<Backend*>& backends, const ModelSpec& defaults)
      : backends_(backends), defaults_(defaults) {}

  // The path itself as a model, or its numbered sub-folders as versions of one, or its only file
  // (not of the root: there it has a name of its own).
  std::vector<FoundModel> model_at(const fs::path& path, const std::string& name,
                                   bool is_root = false) const {
    std::optional<FoundModel> model = recognised(path, name);
    if (!is_folder(path)) {
      if (model) read_settings(*model, {}, path, {});
    } else if (!model) {
      auto versions = versions_in(path, name);
      if (!versions.empty()) return versions;
      if (!is_root) model = only_file_of(path, name);
    }
    if (!model) return {};
    if (is_folder(path)) {
      read_settings(*model, path, model->spec.path, {});
      model->stamp = file_stamp(path);
    }
    return {*std::move(model)};
  }

  // A file by itself; settings are not read.
  bool is_model(const fs::path& path) const { return recognised(path, "any").has_value(); }

 private:
  std::optional<FoundModel> recognised(const fs::path& path, const std::string& name) const {
    FoundModel model{.spec = defaults_};
    model.spec.name = name;
    model.spec.path = path;
    model.backend = backend_for(model.spec, backends_);
    if (!model.backend) return std::nullopt;
    model.file_bytes = bytes_in(path);
    model.stamp = file_stamp(path);
    return model;
  }

  // A folder whose one model file may have any name.
  std::optional<FoundModel> only_file_of(const fs::path& folder, const std::string& name) const {
    std::optional<FoundModel> only;
    for (const fs::path& entry : entries_of(folder)) {
      if (!is_file(entry)) continue;
      auto model = recognised(entry, name);
      if (!model) continue;
      if (only) return std::nullopt;
      only = std::move(model);
    }
    return only;
  }

  std::optional<FoundModel> version_at(const fs::path& folder, const std::string& name,
                                       const std::string& file_name) const {
    if (!file_name.empty()) return recognised(folder / file_name, name);
    auto model = recognised(folder, name);
    return model ? model : only_file_of(folder, name);
  }

  std::vector<FoundModel> versions_in(const fs::path& path, const std::string& name) const {
    const std::string file_name = triton_model_filename(path);
    std::map<std::uint64_t, FoundModel> versions;
    for (const fs::path& entry : entries_of(path)) {
      const std::uint64_t number = version_number(entry.filename().string());
      if (number == 0 || versions.contains(number) || !is_folder(entry)) continue;
      auto model = version_at(entry, name, file_name);
      if (!model) continue;
      model->version = std::to_string(number);
      read_settings(*model, path, {}, entry);
      model->stamp = file_stamp(entry) ^ (folder_stamp(path) * 31);
      versions.emplace(number, *std::move(model));
    }
    if (versions.empty()) return {};
    const VersionPolicy& policy = versions.rbegin()->second.rules.policy;
    std::vector<std::uint64_t> numbers;
    numbers.reserve(versions.size());
    for (const auto& [number, model] : versions) numbers.push_back(number);
    std::vector<FoundModel> chosen;
    for (const std::uint64_t number : chosen_versions(policy, numbers)) {
      chosen.push_back(std::move(versions.at(number)));
    }
    if (chosen.size() < policy.specific.size() || chosen.empty()) {
      warn_once(fmt::format("model {}: not every version of its policy {} is there", name,
                            to_string(policy)));
    }
    return chosen;
  }

  // From what counts least to what counts most: config.pbtxt and model.toml of the model's folder,
  // the .toml beside its single file, the model.toml of the version's folder.
  static void read_settings(FoundModel& model, const fs::path& folder, const fs::path& file,
                            const fs::path& version_folder) {
    const auto apply = [&]() -> Status {
      if (!folder.empty()) {
        const std::string folder_name = folder.filename().string();
        if (Status done = apply_triton_config(folder, folder_name, model); !done) return done;
      }
      const bool own_file = !file.empty() && !is_folder(file);
      for (const fs::path& at : {folder, own_file ? file : fs::path(), version_folder}) {
        if (at.empty()) continue;
        auto settings = read_settings_file(at);
        if (!settings) return pass(settings);
        if (!*settings) continue;
        const bool of_version = !version_folder.empty() && at == version_folder;
        if (Status done = apply_model_settings(**settings, of_version, model); !done) return done;
        model.settings_files.push_back(**std::move(settings));
      }
      return {};
    };
    if (Status done = apply(); !done) model.error = std::move(done.error());
  }

  const std::vector<Backend*>& backends_;
  const ModelSpec& defaults_;
};

std::string name_of_path(const fs::path& path) {
  return model_name_of(is_folder(path) ? path.filename().string() : path.stem().string());
}

// "model-00002-of-00003.gguf": a later part of the same model.
bool is_later_part(const fs::path& path) {
  const std::string stem = path.stem().string();
  const auto of = stem.rfind("-of-");
  if (of == std::string::npos || of < 6) return false;
  return stem[of - 6] == '-' && stem.substr(of - 5, 5) != "00001";
}

// Whether a folder is one model, and not a folder of models with one lying loose in it. Networks of
// the hub come with folders of further files, so config.json decides; else there must be one model
// here, and none in the sub-folders.
bool is_one_model(const Scan& scan, const fs::path& root) {
  if (is_file(root) || is_file(root / "config.json")) return true;
  int num_loose = 0;
  for (const fs::path& entry : entries_of(root)) {
    const std::string file = entry.filename().string();
    if (!is_folder(entry)) {
      num_loose += !is_later_part(entry) && scan.is_model(entry) ? 1 : 0;
    } else if (version_number(file) == 0 && file != "model.savedmodel" &&
               !scan.model_at(entry, "any").empty()) {
      return false;
    }
  }
  return num_loose <= 1;
}

}  // namespace

std::string model_name_of(std::string_view file_name) {
  std::string name(file_name);
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool kept =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (!kept) c = '-';
  }
  return name;
}

Result<std::vector<FoundModel>> scan_models(const fs::path& path,
                                            const std::vector<Backend*>& backends,
                                            const ModelSpec& defaults) {
  std::error_code error;
  const fs::path root = fs::canonical(path, error);
  if (error) {
    return fail(ErrorKind::not_found,
                fmt::format("no models at '{}': {}", path.string(), error.message()));
  }
  const Scan scan(backends, defaults);
  if (is_one_model(scan, root)) {
    if (auto itself = scan.model_at(root, name_of_path(root), true); !itself.empty()) return itself;
  }
  std::vector<FoundModel> found;
  for (const fs::path& entry : entries_of(root)) {
    const std::string name = name_of_path(entry);
    const bool is_settings = entry.extension() == ".toml" || entry.extension() == ".pbtxt";
    if (is_settings || is_later_part(entry)) continue;
    auto versions = scan.model_at(entry, name);
    if (versions.empty()) {
      warn_once(fmt::format("'{}' is not a model that a backend knows: left out",
                            entry.filename().string()));
    } else if (std::ranges::any_of(found, [&](const auto& f) { return f.spec.name == name; })) {
      warn_once(fmt::format("'{}': there is a model of the name '{}' already: left out",
                            entry.filename().string(), name));
    } else {
      std::ranges::move(versions, std::back_inserter(found));
    }
  }
  std::ranges::stable_sort(found, {}, [](const FoundModel& model) { return model.spec.name; });
  return found;
}

}  // namespace millrace::serving
