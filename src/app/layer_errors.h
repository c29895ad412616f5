// The residual stream behind every layer, and how far that of one model is from another's.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "models/causal_model.h"

namespace millrace::app {

// Keeps what the embedding and each layer put out in the last forward pass.
class LayerTrace final : public models::ActivationObserver {
 public:
  void observe(models::ActivationPoint point, int layer, std::span<const float> values) override;
  // [0]: the embedding; then a layer each. All [rows, hidden].
  const std::vector<std::vector<float>>& outputs() const { return outputs_; }

 private:
  std::vector<std::vector<float>> outputs_;
};

// Differences of passes over the same tokens, added up a layer.
class LayerErrors {
 public:
  void add(const LayerTrace& exact, const LayerTrace& rounded);
  // Of each output of a trace: root of Σ(rounded - exact)² / Σ exact².
  std::vector<double> relative() const;

 private:
  struct Sums {
    double difference = 0, size = 0;
  };
  std::vector<Sums> sums_;
};

// A trace as NumPy's .npy: float32 [outputs, rows, hidden], rows of `hidden` values.
std::string npy_of(const LayerTrace& trace, std::size_t hidden);

}  // namespace millrace::app
