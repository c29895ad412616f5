#include "serving/batch_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace millrace::serving {
namespace {

Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::vector<std::int64_t> dims(shape.dims().begin(), shape.dims().end());
  dims[0] = rows;
  return Shape(dims);
}

// Bytes of the first `count` strings.
std::size_t bytes_of_strings(std::span<const std::byte> data, std::int64_t count) {
  std::size_t at = 0;
  for (; count > 0; --count) {
    std::uint32_t length = 0;
    std::memcpy(&length, data.data() + at, sizeof length);
    at += sizeof length + length;
  }
  return at;
}

}  // namespace

bool can_merge(const std::vector<InputTensor>& a, const std::vector<InputTensor>& b) {
  return std::ranges::equal(a, b, [](const InputTensor& x, const InputTensor& y) {
    return std::ranges::equal(x.shape.dims().subspan(1), y.shape.dims().subspan(1));
  });
}

std::vector<InputTensor> merge(std::span<const std::vector<InputTensor>* const> requests) {
  std::vector<InputTensor> merged = *requests.front();
  for (const auto* request : requests.subspan(1)) {
    for (std::size_t i = 0; i < merged.size(); ++i) {
      const InputTensor& more = (*request)[i];
      merged[i].shape = with_rows(merged[i].shape, merged[i].shape[0] + more.shape[0]);
      merged[i].parts.insert(merged[i].parts.end(), more.parts.begin(), more.parts.end());
    }
  }
  return merged;
}

Result<std::vector<std::vector<OutputTensor>>> split(const ModelDescription& model,
                                                     const std::vector<OutputTensor>& outputs,
                                                     std::span<const std::int64_t> rows) {
  const std::int64_t total = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  std::vector<std::vector<OutputTensor>> all(rows.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const OutputTensor& whole = outputs[i];
    if (whole.shape.rank() == 0 || whole.shape[0] != total) {
      return fail(ErrorKind::internal,
                  fmt::format("output '{}' does not have one row for each row of the batch",
                              model.outputs[i].name));
    }
    const std::int64_t elements_a_row = total > 0 ? whole.shape.num_elements() / total : 0;
    std::span<const std::byte> left = whole.data;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::size_t bytes = model.outputs[i].dtype == DType::bytes
                                    ? bytes_of_strings(left, rows[r] * elements_a_row)
                                    : static_cast<std::size_t>(rows[r] * elements_a_row) *
                                          dtype_block_bytes(model.outputs[i].dtype);
      all[r].push_back({.shape = with_rows(whole.shape, rows[r]), .data = left.first(bytes)});
      left = left.subspan(bytes);
    }
  }
  return all;
}

}  // namespace millrace::serving
