#include "backends/openvino/ov_tf_ops.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <openvino/frontend/extension/conversion.hpp>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset15.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace::backends {
namespace {

namespace op = ov::opset15;
using Value = ov::Output<ov::Node>;

Value list_of(const std::vector<std::int64_t>& values) {
  return op::Constant::create(ov::element::i64, {values.size()}, values);
}
Value scalar_of(std::int64_t value) {
  return op::Constant::create(ov::element::i64, {}, {value});
}
Value as_i64(const Value& value) {
  return std::make_shared<op::Convert>(value, ov::element::i64);
}
template <class Op>
Value both(const Value& a, const Value& b) {
  return std::make_shared<Op>(a, b);
}
// Of axis 0; `end` as Slice has it.
Value slice(const Value& value, std::int64_t begin, std::int64_t end) {
  return std::make_shared<op::Slice>(value, list_of({begin}), list_of({end}), list_of({1}),
                                     list_of({0}));
}
Value joined(const ov::OutputVector& values, std::int64_t axis) {
  return std::make_shared<op::Concat>(values, axis);
}
// A list of the largest one; `least` where there are none.
Value largest(const Value& values, std::int64_t least) {
  return std::make_shared<op::ReduceMax>(joined({values, list_of({least})}, 0), list_of({0}), true);
}

constexpr std::int64_t kToTheEnd = std::numeric_limits<std::int64_t>::max();

// As the wanted shape says, or as it comes where that leaves it open: [rows, width].
Value wanted_or(const Value& wanted, const Value& found) {
  if (wanted.get_partial_shape().rank() != 1) return found;  // a scalar: all is open
  const Value is_open = both<op::Less>(as_i64(wanted), list_of({0}));
  return std::make_shared<op::Select>(is_open, found, as_i64(wanted));
}

// shape, values, default value, row splits → a dense tensor; tf.RaggedTensor.to_tensor.
ov::OutputVector ragged_to_tensor(const ov::frontend::NodeContext& node) {
  const auto kinds = node.get_attribute<std::vector<std::string>>("row_partition_types");
  const Value values = node.get_input(1), filler = node.get_input(2);
  if (kinds != std::vector<std::string>{"ROW_SPLITS"} || values.get_partial_shape().rank() != 1 ||
      node.get_input(0).get_partial_shape().rank().is_dynamic()) {
    throw std::runtime_error(
        "RaggedTensorToTensor is served of one ragged dimension, by its splits");
  }
  const Value splits = as_i64(node.get_input(3));
  const Value begins = slice(splits, 0, -1), ends = slice(splits, 1, kToTheEnd);
  const Value rows = std::make_shared<op::ShapeOf>(begins, ov::element::i64);
  const Value longest = largest(both<op::Subtract>(ends, begins), 0);
  const Value found = joined({rows, longest}, 0);
  const Value wanted = wanted_or(node.get_input(0), found);
  const Value size = both<op::Maximum>(found, wanted);
  const Value count = std::make_shared<op::Squeeze>(
      std::make_shared<op::ShapeOf>(values, ov::element::i64), list_of({0}));
  const Value places =
      std::make_shared<op::Range>(scalar_of(0), count, scalar_of(1), ov::element::i64);
  // The row of a value is the number of rows that end before it.
  const Value row = std::make_shared<op::SearchSorted>(ends, places, true, ov::element::i64);
  const Value column =
      both<op::Subtract>(places, std::make_shared<op::Gather>(begins, row, scalar_of(0)));
  const Value indices = joined(
      {both<op::Unsqueeze>(row, list_of({1})), both<op::Unsqueeze>(column, list_of({1}))}, 1);
  const Value filled = both<op::Broadcast>(filler, size);
  const Value all = std::make_shared<op::ScatterNDUpdate>(filled, indices, values);
  return {std::make_shared<op::Slice>(all, list_of({0, 0}), wanted, list_of({1, 1}))};
}

// rows, which of them, and which of the sums each goes into, ascending.
ov::OutputVector sparse_segment_sum(const ov::frontend::NodeContext& node) {
  const Value rows = node.get_input(0);
  if (rows.get_partial_shape().rank() != 2) {
    throw std::runtime_error("SparseSegmentSum is served of rows");
  }
  const Value indices = as_i64(node.get_input(1)), segments = as_i64(node.get_input(2));
  const Value last = std::make_shared<op::Squeeze>(largest(segments, -1), list_of({0}));
  return {std::make_shared<op::EmbeddingSegmentsSum>(rows, indices, segments,
                                                     both<op::Add>(last, scalar_of(1)))};
}

}  // namespace

void teach_tf_ops(ov::frontend::FrontEnd& frontend) {
  const auto teach = [&](const char* name, const ov::frontend::CreatorFunction& convert) {
    frontend.add_extension(std::make_shared<ov::frontend::ConversionExtension>(name, convert));
  };
  teach("RaggedTensorToTensor", ragged_to_tensor);
  teach("SparseSegmentSum", sparse_segment_sum);
}

}  // namespace millrace::backends
