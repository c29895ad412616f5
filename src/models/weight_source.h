// WeightSource: tensors of a model file by name, checked against the shape the config asks for and
// packed for the kernel table in use. The first failure sticks: later calls return empty weights,
// and status() says which tensor was missing or misshapen. Used at load only; not thread-safe.
//
// A tensor is packed in its own kind where the table can hold it. Otherwise its exact values are
// rounded to f16 (kept in f32 under Precision::exact): 11 significant bits, finer than any block
// format of 5 or 6 bits, at a range no weight exceeds. With a quantization, matrices of floats
// become our own kinds (models/quantise.h), embeddings and the output head never less than int8.
// A file may hold our own kinds, too: rows of k as [n, k], also where floats would be transposed,
// and beside a matrix of i8 its scales, name.weight_scale [n].
// File pages are released once packed, so weights are resident once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/ops.h"
#include "models/quantise.h"
#include "tensor/slab.h"
#include "weights/weight_file.h"

namespace millrace::models {

// y = x · weightᵀ + bias
struct Linear {
  kernels::Weight weight;   // [n, k]
  std::vector<float> bias;  // [n] or empty
  const float* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }
};

struct Norm {
  std::vector<float> weight;  // [width]
  std::vector<float> bias;    // [width] or empty (RMSNorm)
};

inline constexpr const char* kScaleSuffix = ".weight_scale";

struct LinearSpec {
  std::string name{};  // without ".weight"
  int n = 0, k = 0;
  bool bias = false;
  bool transposed = false;  // the file holds [k, n] (GPT-2's Conv1D)
  int first_row = 0;        // where these n rows begin in a fused tensor …
  int total_rows = 0;       // … of so many; 0: the tensor is [n, k] itself
};

class WeightSource {
 public:
  // `progress` gets the packed share of the file's bytes, 0..1. Borrows all.
  WeightSource(const weights::WeightFile& file, kernels::Ops& ops,
               std::function<void(double)> progress = {},
               Quantization quantization = Quantization::none);

  bool has(std::string_view tensor) const { return file_.find(tensor) != nullptr; }
  Linear linear(const LinearSpec& spec);  // name.weight, name.bias
  // The matrix of `linear` as [n, k] floats; the load fails where the file has no floats.
  std::vector<float> rows(const LinearSpec& spec);
  Norm norm(const std::string& name, int width, bool bias);       // name.weight, name.bias
  kernels::Weight matrix(const std::string& name, int n, int k);  // name.weight
  // name.weight as the file has it: a table of which rows are read, never multiplied.
  kernels::Weight table(const std::string& name, int n, int k);
  // Linears that one fused epilogue joins must be of one kind: mixed ones are all rounded as above.
  std::vector<Linear> fused_linears(const std::vector<LinearSpec>& specs);

  void fail_load(const std::string& message);
  const Status& status() const { return status_; }
  std::int64_t packed_bytes() const { return packed_bytes_; }
  std::int64_t num_parameters() const { return num_parameters_; }
  bool has_quantised() const { return has_quantised_; }

 private:
  const TensorView* find_matrix(const std::string& tensor, std::int64_t rows, std::int64_t columns);
  std::vector<float> values(const std::string& tensor, int total, int first, int count);
  std::vector<float> read_values(const std::string& tensor, int total, int first, int count);
  std::vector<float> straight_rows(const TensorView& view, const LinearSpec& spec);
  std::vector<float> turned_rows(const TensorView& view, const LinearSpec& spec);
  void check_groups(const TensorView& view, const std::string& name);
  Linear load_linear(LinearSpec spec, bool own_kind);
  kernels::Weight load_matrix(const std::string& name, int n, int k, Quantization quantization);
  bool finite_values(const TensorView& view, const std::string& name, std::int64_t first,
                     std::int64_t count, float* out);
  void quantise_rows(DType kind, const float* values, int num_rows, int k, std::byte* out,
                     float* scales);
  kernels::Weight pack_quantised(const TensorView& view, const LinearSpec& spec, DType kind);
  kernels::Weight pack(const TensorView& view, const LinearSpec& spec, bool own_kind);
  kernels::Weight pack_rounded(const TensorView& view, const LinearSpec& spec,
                               const std::vector<float>& scales);
  kernels::Weight packed_weight(const kernels::PackArgs& args) {
    return kernels::Weight(ops_, args, &slab_);
  }
  bool holds(DType kind, int n, int k) const;
  void count(const TensorView& view, std::int64_t elements, std::size_t bytes);

  const weights::WeightFile& file_;
  kernels::Ops& ops_;
  Slab slab_;
  std::function<void(double)> progress_;
  Quantization quantization_;
  bool has_quantised_ = false;
  Status status_;
  std::int64_t packed_bytes_ = 0;
  std::int64_t num_parameters_ = 0;
  double source_bytes_ = 0;
};

}  // namespace millrace::models
