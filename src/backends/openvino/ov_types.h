// Between OpenVINO's tensors and the contract's.
#pragma once

#include <openvino/openvino.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "servable/tensor_model.h"

namespace millrace::backends {

// Empty for types that the contract has no name for (4-bit integers, 8-bit floats …).
std::optional<DType> dtype_of(const ov::element::Type& type);
ov::element::Type element_type_of(DType type);

// Name, type and shape of an input or output. `role` is "input" or "output", for errors.
Result<TensorSpec> spec_of(const ov::Output<const ov::Node>& port, const char* role, bool is_onnx);

// The part of OpenVINO's message that says why, for operators: without its source files, and
// without ours (it likes to quote the path).
std::string reason_of(const char* what);

// Copies an input's parts, end to end, into a tensor of the same shape. False where a DType::bytes
// tensor is malformed.
bool copy_in(const InputTensor& from, ov::Tensor& to);

}  // namespace millrace::backends
