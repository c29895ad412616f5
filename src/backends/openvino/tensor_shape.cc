#include "backends/openvino/tensor_shape.h"

#include <cstddef>
#include <utility>

#include "base/wire_reader.h"

namespace millrace::backends {
namespace {

constexpr std::uint32_t kDim = 2, kUnknownRank = 3;  // of TensorShapeProto
constexpr std::uint32_t kSize = 1;                   // of its dimensions
constexpr std::size_t kMostDims = 254;               // TensorFlow's own limit

std::unexpected<Error> malformed() {
  return invalid("the SavedModel has a tensor shape that is malformed");
}

// False where it is malformed. 0 where nothing is said, as protocol buffers have it.
bool read_size(const WireReader::Field& dim, std::int64_t& size) {
  if (!dim.is_bytes) return false;
  size = 0;
  WireReader reader(dim.bytes);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number != kSize) continue;
    if (field.is_bytes) return false;
    size = static_cast<std::int64_t>(field.value);
  }
  return !reader.failed() && size >= -1;
}

}  // namespace

Result<std::optional<Dims>> read_tensor_shape(std::string_view message) {
  Dims dims;
  bool unknown_rank = false;
  WireReader reader(message);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kUnknownRank) {
      if (field.is_bytes) return malformed();
      unknown_rank = field.value != 0;
    }
    if (field.number != kDim) continue;
    if (dims.size() == kMostDims || !read_size(field, dims.emplace_back())) return malformed();
  }
  if (reader.failed() || (unknown_rank && !dims.empty())) return malformed();
  if (unknown_rank) return std::nullopt;
  return std::optional(std::move(dims));
}

}  // namespace millrace::backends
