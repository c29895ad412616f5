#include "backends/openvino/graph_files.h"

#include <fmt/format.h>

#include <optional>
#include <system_error>

namespace millrace::backends {
namespace fs = std::filesystem;
namespace {

struct Format {
  const char* extension;
  const char* name;
};

constexpr Format kFormats[] = {
    {".onnx", "onnx"}, {".xml", "openvino"}, {".tflite", "tflite"}, {".graphdef", "tensorflow"}};

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::optional<GraphFile> saved_model(const fs::path& folder) {
  for (const fs::path& at : {folder, folder / "model.savedmodel"}) {
    if (is_file(at / "saved_model.pb")) return GraphFile{.path = at, .format = "tensorflow"};
  }
  return std::nullopt;
}

bool is_number(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

// The name the model has in the models folder: a version's folder is named by a number.
std::string folder_name(const fs::path& folder) {
  const std::string name = folder.filename().string();
  return is_number(name) ? folder.parent_path().filename().string() : name;
}

}  // namespace

Result<GraphFile> find_graph_file(const fs::path& path) {
  std::error_code error;
  if (is_file(path)) {
    const std::string extension = path.extension().string();
    for (const Format& format : kFormats) {
      if (extension == format.extension) return GraphFile{.path = path, .format = format.name};
    }
    if (path.filename() == "saved_model.pb") {
      return GraphFile{.path = path.parent_path(), .format = "tensorflow"};
    }
  } else if (fs::is_directory(path, error)) {
    if (auto found = saved_model(path)) return *std::move(found);
    for (const std::string& stem : {std::string("model"), folder_name(path)}) {
      for (const Format& format : kFormats) {
        fs::path file = path / (stem + format.extension);
        if (is_file(file)) return GraphFile{.path = std::move(file), .format = format.name};
      }
    }
  }
  return fail(ErrorKind::not_found,
              fmt::format("'{}' holds no graph model", path.filename().string()));
}

}  // namespace millrace::backends
