#include "weights/weight_file.h"

#include <algorithm>
#include <utility>

#include "weights/file_errors.h"
#include "weights/gguf_split.h"
#include "weights/safetensors.h"

namespace millrace::weights {
namespace {

template <class T>
const T* meta_as(const WeightFile& file, std::string_view key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? nullptr : std::get_if<T>(&found->second);
}

// The GGUF models of a folder; of a split one its first part.
std::vector<std::filesystem::path> gguf_models(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> models;
  std::error_code ec;
  for (std::filesystem::directory_iterator it(folder, ec), end; !ec && it != end;
       it.increment(ec)) {
    const std::string name = it->path().filename().string();
    if (!name.ends_with(".gguf")) continue;
    const auto split = parse_split_name(name);
    if (!split || split->index == 0) models.push_back(it->path());
  }
  std::ranges::sort(models);
  return models;
}

Result<std::unique_ptr<WeightFile>> open_folder(const std::filesystem::path& folder) {
  const auto has = [&](const char* name) {
    std::error_code ec;
    return std::filesystem::exists(folder / name, ec);
  };
  if (has("model.safetensors")) return open_safetensors(folder / "model.safetensors");
  if (has("model.safetensors.index.json")) {
    return open_safetensors_index(folder / "model.safetensors.index.json");
  }
  const auto models = gguf_models(folder);
  if (models.size() == 1) return open_gguf(models.front());
  const std::string name = folder.filename().string();
  if (models.empty()) {
    return fail(ErrorKind::not_found, name + ": the folder holds neither model.safetensors, nor " +
                                          "model.safetensors.index.json, nor a .gguf file");
  }
  return in_file(name, bad_file("the folder holds " + std::to_string(models.size()) +
                                " GGUF models; name one of them")
                           .error());
}

}  // namespace

Result<std::unique_ptr<WeightFile>> open_weights(const std::filesystem::path& path) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec)) return open_folder(path);
  const std::string name = path.filename().string();
  if (name.ends_with(".gguf")) return open_gguf(path);
  if (name.ends_with(".safetensors")) return open_safetensors(path);
  if (name.ends_with(".safetensors.index.json")) return open_safetensors_index(path);
  return in_file(name, bad_file("neither a .gguf nor a .safetensors file").error());
}

std::optional<std::int64_t> meta_int(const WeightFile& file, std::string_view key) {
  if (const auto* number = meta_as<std::int64_t>(file, key)) return *number;
  if (const auto* number = meta_as<std::uint64_t>(file, key)) {
    if (std::in_range<std::int64_t>(*number)) return static_cast<std::int64_t>(*number);
  }
  return std::nullopt;
}

std::optional<double> meta_double(const WeightFile& file, std::string_view key) {
  if (const auto* number = meta_as<double>(file, key)) return *number;
  return std::nullopt;
}

std::optional<bool> meta_bool(const WeightFile& file, std::string_view key) {
  if (const auto* flag = meta_as<bool>(file, key)) return *flag;
  return std::nullopt;
}

const std::string* meta_string(const WeightFile& file, std::string_view key) {
  return meta_as<std::string>(file, key);
}

const std::vector<std::string>* meta_strings(const WeightFile& file, std::string_view key) {
  return meta_as<std::vector<std::string>>(file, key);
}

}  // namespace millrace::weights
