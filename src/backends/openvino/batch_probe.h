// Whether axis 0 of a graph is a batch: rows in, rows out, each computed as if it were alone. Shape
// inference says whether the sizes agree; that rows do not mix (a mean over axis 0 keeps the shape)
// is found out by running two rows together and one by one.
#pragma once

#include <memory>
#include <openvino/openvino.hpp>

namespace millrace::backends {

// Runs the model a few times on made-up values. False where it cannot be shown. Throws nothing.
bool axis_0_is_batch(const std::shared_ptr<ov::Model>& model, ov::CompiledModel& compiled);

}  // namespace millrace::backends
