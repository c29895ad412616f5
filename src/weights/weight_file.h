// WeightFile: names → tensors over memory-mapped model files, whatever the format (safetensors,
// shards with an index, GGUF). Model files are hostile input: every length is checked against the
// bytes that remain before anything is allocated, every range lies inside the file; errors name
// file and field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"

namespace millrace::weights {

// A GGUF metadata value; safetensors files have string metadata only. Unsigned GGUF integers are
// std::uint64_t, signed ones std::int64_t; arrays of booleans and of all integers are std::int64_t.
using MetaValue =
    std::variant<bool, std::int64_t, std::uint64_t, double, std::string, std::vector<std::string>,
                 std::vector<std::int64_t>, std::vector<double>>;

class WeightFile {
 public:
  virtual ~WeightFile() = default;

  // Null where there is no such tensor. The view points into the mapping and lives as long as this.
  // Shapes are row-major, outermost first (GGUF's order reversed): a Linear is [out, in].
  virtual const TensorView* find(std::string_view name) const = 0;
  virtual std::vector<std::string> names() const = 0;
  virtual const std::map<std::string, MetaValue, std::less<>>& metadata() const = 0;
  // These pages will not be read again: called after a tensor was packed.
  virtual void release(const TensorView& tensor) const = 0;
  // An error once a file was cut short or rewritten in place after it was opened: what was read
  // since may be zeros. Loaders ask after the last tensor was packed. See mapping_guard.h.
  virtual Status still_intact() const { return {}; }
  virtual std::uint64_t num_bytes() const = 0;  // on disk, all parts
};

// One *.gguf file (or the first part of a split one, NAME-00001-of-0000N.gguf), one *.safetensors
// file, or a folder holding model.safetensors, model.safetensors.index.json with its shards, or
// exactly one GGUF model. A file that is not as it should be is an invalid_argument error with code
// "invalid_model_file"; its message names the file (without its folder) and the field.
Result<std::unique_ptr<WeightFile>> open_weights(const std::filesystem::path& path);
Result<std::unique_ptr<WeightFile>> open_gguf(const std::filesystem::path& file);
Result<std::unique_ptr<WeightFile>> open_safetensors(const std::filesystem::path& file);

// Typed metadata look-ups; nothing where absent or of another type. Integers of any width convert.
std::optional<std::int64_t> meta_int(const WeightFile& file, std::string_view key);
std::optional<double> meta_double(const WeightFile& file, std::string_view key);
std::optional<bool> meta_bool(const WeightFile& file, std::string_view key);
const std::string* meta_string(const WeightFile& file, std::string_view key);
const std::vector<std::string>* meta_strings(const WeightFile& file, std::string_view key);

// Exact dequantisation of `count` elements starting at element `first` (a block boundary) to f32.
// The scalar truth for every DType of a weight; kernels are tested against it. Integers and f64 are
// rounded to nearest, booleans are 0 or 1. The last block may be used in part.
void dequantise(const TensorView& tensor, std::int64_t first, std::int64_t count, float* out);

}  // namespace millrace::weights
