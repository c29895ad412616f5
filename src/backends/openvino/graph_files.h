// Which files are a graph model, by their names alone.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace millrace::backends {

struct GraphFile {
  std::filesystem::path path;  // what the runtime is told to read: a file, or a SavedModel's folder
  std::string format;          // "onnx", "openvino", "tensorflow", "tflite"
};

// A file of one of the formats, or a folder with saved_model.pb, model.savedmodel/, model.onnx,
// model.xml, model.tflite or model.graphdef in it, or one such file named as the folder is.
// not_found otherwise.
Result<GraphFile> find_graph_file(const std::filesystem::path& path);

}  // namespace millrace::backends
