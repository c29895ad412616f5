// Writes model files that open_weights() reads: GGUF (version 3) and safetensors. All tensors are
// declared first, as both formats have a table in front; then their bytes follow in that order. The
// file appears under its name when it is whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "weights/weight_file.h"

namespace millrace::weights {

struct DeclaredTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
};

using Metadata = std::map<std::string, MetaValue, std::less<>>;

enum class FileFormat : std::uint8_t { gguf, safetensors };

class WeightWriter {
 public:
  // Writes the head. In GGUF, integers and floats get the narrowest of the types that files
  // usually use (u32, i32, f32) that holds them; in safetensors only strings are kept. An error
  // where the format has no place for a type, or the file cannot be written.
  static Result<WeightWriter> create(const std::filesystem::path& file, FileFormat format,
                                     const Metadata& metadata,
                                     const std::vector<DeclaredTensor>& tensors);
  WeightWriter(WeightWriter&&) = default;
  ~WeightWriter();  // removes what was not finished

  // The next tensor's bytes: as many as its type and shape say.
  Status add(std::span<const std::byte> bytes);
  // After the last tensor.
  Status finish();

 private:
  WeightWriter(std::filesystem::path file, FileFormat format);
  std::filesystem::path part() const;
  Status done_writing();

  std::filesystem::path file_;
  FileFormat format_;
  std::ofstream out_;
  std::vector<std::uint64_t> sizes_;  // of the declared tensors
  std::size_t num_written_ = 0;
};

}  // namespace millrace::weights
