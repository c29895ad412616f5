#include "weights/gguf_header.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include "weights/byte_cursor.h"
#include "weights/file_errors.h"
#include "weights/gguf_metadata.h"
#include "weights/gguf_types.h"
#include "weights/tensor_ranges.h"

namespace millrace::weights {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint32_t kMaxDims = 4;
constexpr std::uint64_t kMaxNameBytes = 63;  // as every reader of the format has it
constexpr std::uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 20;

struct Counts {
  std::uint64_t tensors = 0;
  std::uint64_t pairs = 0;
};

struct TensorInfo {
  std::string_view name;
  DType dtype = DType::f32;
  Shape shape;
  TensorRange range;
};

Result<Counts> read_counts(ByteCursor& in, const GgufLimits& limits) {
  std::uint32_t magic = 0, version = 0;
  Counts counts;
  if (!in.read(magic)) return bad_file("too short to be a GGUF file");
  if (magic != kMagic) return bad_file("not a GGUF file: it does not begin with \"GGUF\"");
  if (!in.read(version)) return bad_file("version: the file ends here");
  if (const auto swapped = __builtin_bswap32(version); swapped == 2 || swapped == 3) {
    return bad_file("version: big-endian GGUF files are not supported");
  }
  if (version != 2 && version != 3) {
    return bad_file("version " + std::to_string(version) + " is not supported; 2 and 3 are");
  }
  if (!in.read(counts.tensors)) return bad_file("tensor count: the file ends here");
  if (!in.read(counts.pairs)) return bad_file("metadata count: the file ends here");
  if (counts.tensors > limits.max_tensors) {
    return bad_file("tensor count " + std::to_string(counts.tensors) + " is over " +
                    std::to_string(limits.max_tensors));
  }
  if (counts.pairs > limits.max_keys) {
    return bad_file("metadata count " + std::to_string(counts.pairs) + " is over " +
                    std::to_string(limits.max_keys));
  }
  // Neither product can overflow: both counts are under their limits by now.
  if (counts.tensors * kMinTensorBytes + counts.pairs * kMinPairBytes > in.remaining()) {
    return bad_file("tensor and metadata counts promise more than the file holds");
  }
  return counts;
}

Result<std::uint64_t> alignment_of(const GgufHeader& header) {
  const auto found = header.metadata.find("general.alignment");
  if (found == header.metadata.end()) return 32;
  const auto* value = std::get_if<std::uint64_t>(&found->second);
  if (!value) return bad_file("general.alignment is not an unsigned integer");
  if (*value < 8 || *value > kMaxAlignment || !std::has_single_bit(*value)) {
    return bad_file("general.alignment " + std::to_string(*value) +
                    " is not a power of two between 8 and " + std::to_string(kMaxAlignment));
  }
  return *value;
}

Result<std::string_view> read_name(ByteCursor& in) {
  std::uint64_t size = 0;
  std::string_view name;
  if (!in.read(size)) return bad_file("tensor name: the file ends here");
  if (size == 0 || size > kMaxNameBytes) {
    return bad_file("a tensor name of " + std::to_string(size) + " bytes; 1 to " +
                    std::to_string(kMaxNameBytes) + " are accepted");
  }
  if (!in.read_text(size, name)) return bad_file("tensor name: the file ends here");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < ' ') {
      return bad_file("tensor name " + shown_name(name) + " holds control characters");
    }
  }
  return name;
}

// The dimensions come innermost first; Shape wants them outermost first.
Result<Shape> read_shape(ByteCursor& in, std::string_view name) {
  const auto wrong = [&](const std::string& what) {
    return bad_file("tensor " + shown_name(name) + ": " + what);
  };
  std::uint32_t rank = 0;
  if (!in.read(rank)) return wrong("the file ends in the middle of its description");
  if (rank == 0 || rank > kMaxDims) {
    return wrong(std::to_string(rank) + " dimensions; 1 to 4 are accepted");
  }
  std::int64_t dims[kMaxDims] = {};
  for (std::uint32_t i = 0; i < rank; ++i) {
    std::int64_t dim = 0;
    if (!in.read(dim)) return wrong("the file ends in the middle of its description");
    if (dim <= 0) return wrong("dimension " + std::to_string(dim) + " is not positive");
    dims[rank - 1 - i] = dim;
  }
  return Shape(std::span<const std::int64_t>(dims, rank));
}

Result<TensorInfo> read_tensor_info(ByteCursor& in, std::uint64_t alignment) {
  TensorInfo info;
  auto name = read_name(in);
  if (!name) return pass(name);
  info.name = *name;
  const auto wrong = [&](const std::string& what) {
    return bad_file("tensor " + shown_name(info.name) + ": " + what);
  };
  auto shape = read_shape(in, info.name);
  if (!shape) return pass(shape);
  info.shape = *shape;

  std::uint32_t type = 0;
  if (!in.read(type) || !in.read(info.range.begin)) {
    return wrong("the file ends in the middle of its description");
  }
  const auto dtype = gguf_dtype(type);
  if (!dtype) return wrong("tensor type " + gguf_type_name(type) + " is not supported");
  info.dtype = *dtype;
  auto bytes = checked_tensor_bytes(info.dtype, info.shape);
  if (!bytes) return wrong(bytes.error().message);
  info.range.size = *bytes;
  if (info.range.begin % alignment != 0) {
    return wrong("its offset " + std::to_string(info.range.begin) + " is not a multiple of " +
                 std::to_string(alignment));
  }
  return info;
}

Status check_ranges(const std::vector<TensorInfo>& infos, std::uint64_t data_bytes) {
  std::vector<const TensorInfo*> sorted;
  sorted.reserve(infos.size());
  for (const auto& info : infos) sorted.push_back(&info);
  std::ranges::sort(sorted, {}, [](const TensorInfo* info) { return info->range.begin; });
  std::uint64_t used_to = 0;
  for (const TensorInfo* info : sorted) {
    if (!info->range.is_inside(data_bytes)) {
      return bad_file("tensor " + shown_name(info->name) + ": its data (" +
                      std::to_string(info->range.size) + " bytes at " +
                      std::to_string(info->range.begin) + ") reach past the end of the file");
    }
    if (info->range.begin < used_to) {
      return bad_file("tensor " + shown_name(info->name) + ": its data overlap those of another");
    }
    used_to = info->range.begin + info->range.size;
  }
  return {};
}

}  // namespace

Result<GgufHeader> parse_gguf(std::span<const std::byte> file, const GgufLimits& limits) {
  ByteCursor in(file);
  auto counts = read_counts(in, limits);
  if (!counts) return pass(counts);

  GgufHeader header;
  auto metadata = read_gguf_metadata(in, counts->pairs, limits);
  if (!metadata) return pass(metadata);
  header.metadata = std::move(*metadata);
  auto alignment = alignment_of(header);
  if (!alignment) return pass(alignment);

  std::vector<TensorInfo> infos;
  infos.reserve(counts->tensors);
  std::unordered_set<std::string_view> seen(counts->tensors);
  for (std::uint64_t i = 0; i < counts->tensors; ++i) {
    auto info = read_tensor_info(in, *alignment);
    if (!info) return pass(info);
    if (!seen.insert(info->name).second) {
      return bad_file("tensor " + shown_name(info->name) + " occurs twice");
    }
    infos.push_back(*info);
  }
  if (infos.empty()) return header;  // a vocabulary only: no data section follows

  const std::uint64_t padding = (*alignment - in.position() % *alignment) % *alignment;
  if (padding > in.remaining()) return bad_file("the file ends before its tensor data");
  const auto data = file.subspan(in.position() + static_cast<std::size_t>(padding));
  if (auto inside = check_ranges(infos, data.size()); !inside) return pass(inside);
  header.tensors.reserve(infos.size());
  for (const auto& info : infos) {
    header.tensors.push_back(
        {std::string(info.name), {data.data() + info.range.begin, info.dtype, info.shape}});
  }
  return header;
}

}  // namespace millrace::weights
