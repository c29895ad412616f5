#include "serving/model_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "base/log.h"
#include "serving/model_settings.h"

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

std::int64_t bytes_in(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) {
    const auto size = fs::file_size(path, error);
    return error ? 0 : static_cast<std::int64_t>(size);
  }
  std::int64_t sum = 0;
  fs::recursive_directory_iterator entries(path, fs::directory_options::skip_permission_denied,
                                           error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    std::error_code stat_error;
    if (!entries->is_regular_file(stat_error)) continue;
    const auto size = entries->file_size(stat_error);
    if (!stat_error) sum += static_cast<std::int64_t>(size);
  }
  return sum;
}

std::optional<std::uint64_t> version_number(const std::string& name) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
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

class Scan {
 public:
  Scan(const std::vector<Backend*>& backends, const ModelSpec& defaults)
      : backends_(backends), defaults_(defaults) {}

  // The path itself, or the highest numbered sub-folder, as a model.
  std::optional<FoundModel> model_at(const fs::path& path, const std::string& name) const {
    if (auto model = recognised(path, name)) return model;
    std::error_code error;
    if (!fs::is_directory(path, error)) return std::nullopt;
    std::vector<std::pair<std::uint64_t, fs::path>> versions;
    for (const fs::path& entry : entries_of(path)) {
      const auto number = version_number(entry.filename().string());
      if (number && fs::is_directory(entry, error)) versions.emplace_back(*number, entry);
    }
    std::ranges::sort(versions, std::greater());
    for (const auto& [number, folder] : versions) {
      auto model = recognised(folder, name);
      if (!model) model = only_file_of(folder, name);
      if (model) {
        model->version = std::to_string(number);
        return model;
      }
    }
    return std::nullopt;
  }

  // A folder whose one model file may have any name.
  std::optional<FoundModel> only_file_of(const fs::path& folder, const std::string& name) const {
    std::optional<FoundModel> only;
    for (const fs::path& entry : entries_of(folder)) {
      std::error_code error;
      if (!fs::is_regular_file(entry, error)) continue;
      auto model = recognised(entry, name);
      if (!model) continue;
      if (only) return std::nullopt;
      only = std::move(model);
    }
    if (!only || only->error) return only;
    if (auto applied = apply_model_settings(folder, only->spec, &only->image); !applied) {
      only->error = std::move(applied.error());
    }
    return only;
  }

 private:
  std::optional<FoundModel> recognised(const fs::path& path, const std::string& name) const {
    FoundModel model{.spec = defaults_};
    model.spec.name = name;
    model.spec.path = path;
    model.backend = backend_for(model.spec, backends_);
    if (!model.backend) return std::nullopt;
    model.file_bytes = bytes_in(path);
    if (auto applied = apply_model_settings(path, model.spec, &model.image); !applied) {
      model.error = std::move(applied.error());
    }
    return model;
  }

  const std::vector<Backend*>& backends_;
  const ModelSpec& defaults_;
};

std::string name_of_path(const fs::path& path) {
  std::error_code error;
  const bool folder = fs::is_directory(path, error);
  return model_name_of(folder ? path.filename().string() : path.stem().string());
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
  std::vector<FoundModel> found;
  if (auto itself = scan.model_at(root, name_of_path(root))) {
    found.push_back(std::move(*itself));
    return found;
  }
  for (const fs::path& entry : entries_of(root)) {
    const std::string name = name_of_path(entry);
    auto model = scan.model_at(entry, name);
    if (!model && fs::is_directory(entry, error)) model = scan.only_file_of(entry, name);
    if (!model && entry.extension() == ".toml") continue;  // settings of the model beside it
    if (!model) {
      log_warn("'{}' is not a model that a backend knows: left out", entry.filename().string());
    } else if (std::ranges::any_of(found, [&](const auto& f) { return f.spec.name == name; })) {
      log_warn("'{}': there is a model of the name '{}' already: left out",
               entry.filename().string(), name);
    } else {
      found.push_back(std::move(*model));
    }
  }
  std::ranges::sort(found, {}, [](const FoundModel& model) { return model.spec.name; });
  return found;
}

}  // namespace millrace::serving
