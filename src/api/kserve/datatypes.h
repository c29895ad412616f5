// KServe's names of element types. Every wire (HTTP, gRPC) reads and writes them here.
#pragma once

#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace millrace::api {

const char* datatype_name(DType dtype);                         // "FP32", "BYTES"; "" for others
std::optional<DType> dtype_of_name(std::string_view datatype);  // empty for unknown names
// JSON has no half-precision numbers: such tensors go as binary data only.
bool fits_json(DType dtype);

}  // namespace millrace::api
