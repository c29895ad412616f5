// Operators of TensorFlow that the runtime's reader of its files does not know, made of others:
// what sparse and ragged features of examples go into.
#pragma once

#include <openvino/frontend/frontend.hpp>

namespace millrace::backends {

// RaggedTensorToTensor of one ragged dimension, SparseSegmentSum of rows.
void teach_tf_ops(ov::frontend::FrontEnd& frontend);

}  // namespace millrace::backends
