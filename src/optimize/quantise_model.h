// A model of floats made into one of our own weight kinds, layer after layer: each layer is
// measured on text that has passed the layers before it as they are by then, rounded. One layer of
// floats is in memory at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "base/result.h"
#include "models/registry.h"
#include "optimize/compensate.h"

namespace millrace::optimize {

struct QuantiseOptions {
  models::Quantization quantization = models::Quantization::int4_g64;
  // With 4 bits v, and the down of half of the layers, get 8 all the same: their products lose most
  // (docs/decisions/0012). Pure: they do not.
  bool pure = false;
  int context = 512;  // tokens that see each other
  Rounding rounding;
  // Called before each step; done is 0..1.
  std::function<void(const std::string& step, double done)> progress;
};

// A matrix under the name of its tensor in the file.
struct QuantisedTensor {
  DType kind = DType::f32;
  int rows = 0, columns = 0;
  Buffer bytes;               // rows in the kind's own format
  std::vector<float> scales;  // i8: [rows]
  double error = 0;           // of its products, as a share of their squares; 0 where not measured
};
struct QuantisedModel {
  std::map<std::string, QuantisedTensor, std::less<>> tensors;
  std::string unused;  // a tensor of the file that repeats another, or empty
};

// ops: Precision::exact. An error where a matrix is not of floats, names the tensor.
Result<QuantisedModel> quantise_model(const models::ModelFiles& files, kernels::Ops& ops,
                                      std::span<const std::int32_t> tokens,
                                      const QuantiseOptions& options);

}  // namespace millrace::optimize
