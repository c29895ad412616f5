// Which files are PyTorch programs, by their names; and what is in one, by its archive's list of
// names. Nothing in them is read as Python.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::backends {

// model.pt2 or model.pt in a folder, or <folder>.pt2 or .pt, or a file of that ending. Also *.pth
// and pytorch_model.bin, which are weights without a program, so that loading can say so. not_found
// otherwise.
Result<std::filesystem::path> find_torch_file(const std::filesystem::path& path);

enum class TorchFormat : std::uint8_t { script, package };

// TorchScript (*.pt) or an AOTInductor package (*.pt2). invalid_argument for what is neither, with
// what to do: pickled weights, an exported program, no archive at all.
Result<TorchFormat> torch_format(const std::filesystem::path& file);

// Of a zip archive, ZIP64 too. invalid_argument where it is none or too large to be a model.
Result<std::vector<std::string>> zip_names(const std::filesystem::path& file);

}  // namespace millrace::backends
