// Whether axis 0 of a graph is a batch: rows in, rows out, each computed as if it were alone. That
// rows do not mix (a mean over axis 0 keeps the shape) is found out by running two rows together
// and one by one.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "servable/tensor_model.h"

namespace millrace::backends {

// Values to try a model out with.
struct MadeUpInputs {
  std::vector<Shape> shapes{};
  std::vector<std::vector<std::byte>> values{};

  TensorBatch batch() const;  // views into this
};

// Open sizes become `rows` on axis 0 and `size` elsewhere. Floats in [-1, 1]; integers are 0 or 1,
// which are indices of almost anything. Empty for strings and unknown ranks.
std::optional<MadeUpInputs> make_up_inputs(std::span<const TensorSpec> inputs, std::int64_t rows,
                                           std::int64_t size);

// For open sizes other than the batch: these are tried in turn.
inline constexpr std::int64_t kMadeUpSizes[] = {16, 64, 224};

// Runs the model a few times on made-up values. False where it cannot be shown, and where axis 0 of
// an input or output is not open.
bool rows_are_independent(TensorModel& model, std::span<const TensorSpec> inputs,
                          std::span<const TensorSpec> outputs);

}  // namespace millrace::backends
