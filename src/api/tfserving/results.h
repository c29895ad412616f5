// Which outputs of a model are the results of a classification or a regression: the same on every
// wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "servable/description.h"
#include "serving/batcher.h"

namespace millrace::api {

struct ResultValues {
  DType dtype = DType::f32;
  std::span<const std::byte> data{};
};

// Scores from the only output of floats, labels from one of strings. Views of the answer.
struct ScoredClasses {
  std::int64_t num_rows = 0, num_classes = 0;
  ResultValues scores{};
  std::optional<ResultValues> labels{};
};
// One number a row from the model's only output.
struct Regressions {
  std::int64_t num_rows = 0;
  ResultValues values{};
};

// invalid_argument where the model answers something else.
Result<ScoredClasses> find_classes(const ModelDescription& model,
                                   const serving::TensorAnswer& answer);
Result<Regressions> find_regressions(const ModelDescription& model,
                                     const serving::TensorAnswer& answer);

}  // namespace millrace::api
