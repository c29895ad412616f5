// Text that a model writes itself, to calibrate it where there is no other: what it finds likely is
// close to what it was trained on, in its own languages (arXiv:2305.17888).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/causal_model.h"

namespace millrace::optimize {

struct SelfTextOptions {
  int windows = 64, context = 512;  // so many texts of so many tokens
  std::uint64_t seed = 1;
  std::function<void(double done)> progress;
};

// Tokens of all texts, one text after another. Each begins with a token drawn from the whole
// vocabulary and goes on as the model says, at temperature 1. The same for one seed and machine.
std::vector<std::int32_t> write_text(models::CausalModel& model, kernels::Ops& ops,
                                     const SelfTextOptions& options);

}  // namespace millrace::optimize
