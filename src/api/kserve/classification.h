// KServe's classification extension: the k largest values of a tensor instead of the tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "servable/tensor_model.h"

namespace millrace::api {

struct Classes {
  Shape shape;                  // [rows, k], or [k] where axis 0 is not a batch
  std::vector<std::byte> data;  // DType::bytes, each "value:index", largest first
};

// Ties go to the lower index, NaN comes last. invalid_argument for strings. k at least 1; more than
// there are gives all. Where an index has a label, it is "value:index:label".
Result<Classes> classify(const OutputTensor& output, DType dtype, bool batched, std::int64_t k,
                         const std::vector<std::string>& labels = {});

}  // namespace millrace::api
