// The reference keeps weights as they come: rows of `kind`'s own format, then (i8) the row scales.
#include <cstdint>
#include <cstring>

#include "kernels/reference/dequantize.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {

std::size_t packed_bytes(DType kind, int n, int k) {
  if (!is_weight_kind(kind)) return 0;
  if (kind == DType::i8)
    return i8_scales_offset(n, k) + sizeof(float) * static_cast<std::size_t>(n);
  return static_cast<std::size_t>(n) * row_bytes(kind, k);
}

void pack_weight(const PackArgs& args, PackedWeight* out) {
  const auto* source = static_cast<const std::uint8_t*>(args.source);
  auto* data = static_cast<std::uint8_t*>(out->data);
  const std::size_t bytes = row_bytes(args.kind, args.k);
  const std::size_t element = dtype_block_bytes(args.kind);
  for (int r = args.first_row; r < args.first_row + args.num_rows; ++r) {
    std::uint8_t* to = data + static_cast<std::size_t>(r) * bytes;
    if (args.transposed) {
      for (int c = 0; c < args.k; ++c) {
        std::memcpy(to + static_cast<std::size_t>(c) * element,
                    source + c * args.source_row_bytes + static_cast<std::size_t>(r) * element,
                    element);
      }
    } else {
      std::memcpy(to, source + r * args.source_row_bytes, bytes);
    }
    if (args.kind == DType::i8) {
      std::memcpy(
          data + i8_scales_offset(args.n, args.k) + sizeof(float) * static_cast<std::size_t>(r),
          args.scales + r, sizeof(float));
    }
  }
}

}  // namespace millrace::kernels::reference
