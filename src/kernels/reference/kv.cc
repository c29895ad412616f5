#include "kernels/reference/kv.h"

#include <cmath>
#include <cstring>

#include "kernels/parallel.h"
#include "kernels/reference/scalar.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {
namespace {

std::size_t element_bytes(KvKind kind) {
  switch (kind) {
    case KvKind::f32:
      return 4;
    case KvKind::bf16:
      return 2;
    case KvKind::i8:
      return 1;
  }
  return 4;
}

// Vectors of head_dim that one side of a block holds.
std::size_t side_vectors(const KvShape& shape) {
  return static_cast<std::size_t>(shape.kv_heads) * static_cast<std::size_t>(shape.block_tokens);
}

struct Place {
  std::size_t vector;  // byte offset in the layer
  std::size_t scale;   // byte offset of the i8 scale
};

Place place(const KvShape& shape, KvSide side, std::int64_t slot, int head) {
  const auto block = static_cast<std::size_t>(slot / shape.block_tokens);
  const auto token = static_cast<std::size_t>(slot % shape.block_tokens);
  const std::size_t vectors = side_vectors(shape);
  const std::size_t vector =
      (side == KvSide::v ? vectors : 0) +
      static_cast<std::size_t>(head) * static_cast<std::size_t>(shape.block_tokens) + token;
  const std::size_t vector_bytes =
      static_cast<std::size_t>(shape.head_dim) * element_bytes(shape.kind);
  const std::size_t begin = block * kv_block_bytes(shape);
  return {begin + vector * vector_bytes,
          begin + 2 * vectors * vector_bytes + vector * sizeof(float)};
}

void store_vector(const KvShape& shape, std::uint8_t* layer, const Place& to, const float* from) {
  std::uint8_t* out = layer + to.vector;
  const int width = shape.head_dim;
  if (shape.kind == KvKind::f32) {
    std::memcpy(out, from, sizeof(float) * static_cast<std::size_t>(width));
    return;
  }
  if (shape.kind == KvKind::bf16) {
    for (int i = 0; i < width; ++i) {
      const std::uint16_t bits = f32_to_bf16(from[i]);
      std::memcpy(out + 2 * i, &bits, sizeof bits);
    }
    return;
  }
  float largest = 0;  // NaN where one is NaN: as a scale it then shows
  for (int i = 0; i < width && !std::isnan(largest); ++i) {
    const float magnitude = std::fabs(from[i]);
    if (!(magnitude <= largest)) largest = magnitude;
  }
  const float scale = largest / 127.0f;
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  std::memcpy(layer + to.scale, &scale, sizeof scale);
  for (int i = 0; i < width; ++i) {
    // fmin first: a NaN becomes a number, so the conversion is defined.
    const float rounded = std::nearbyint(std::fmax(std::fmin(from[i] * inverse, 127.0f), -127.0f));
    out[i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(rounded));
  }
}

}  // namespace

std::size_t kv_block_bytes(const KvShape& shape) {
  const std::size_t vectors = 2 * side_vectors(shape);
  const std::size_t values =
      vectors * static_cast<std::size_t>(shape.head_dim) * element_bytes(shape.kind);
  const std::size_t scales = shape.kind == KvKind::i8 ? vectors * sizeof(float) : 0;
  return (values + scales + 63) / 64 * 64;
}

void kv_load(const KvShape& shape, const void* layer_kv, KvSide side, std::int64_t slot, int head,
             float* out) {
  const auto* layer = static_cast<const std::uint8_t*>(layer_kv);
  const Place from = place(shape, side, slot, head);
  const std::uint8_t* values = layer + from.vector;
  for (int i = 0; i < shape.head_dim; ++i) {
    switch (shape.kind) {
      case KvKind::f32:
        out[i] = load<float>(values + 4 * i);
        break;
      case KvKind::bf16:
        out[i] = bf16_to_f32(load<std::uint16_t>(values + 2 * i));
        break;
      case KvKind::i8:
        out[i] = load<float>(layer + from.scale) *
                 static_cast<float>(static_cast<std::int8_t>(values[i]));
        break;
    }
  }
}

void kv_store(const ExecView& exec, const KvStoreArgs& args) {
  auto* layer = static_cast<std::uint8_t*>(args.layer_kv);
  parallel_for(exec, args.tokens, [&](int token, int) {
    for (int head = 0; head < args.shape.kv_heads; ++head) {
      const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(head) * args.shape.head_dim;
      const std::int64_t slot = args.slots[token];
      store_vector(args.shape, layer, place(args.shape, KvSide::k, slot, head),
                   args.k + token * args.k_stride + offset);
      store_vector(args.shape, layer, place(args.shape, KvSide::v, slot, head),
                   args.v + token * args.v_stride + offset);
    }
  });
}

}  // namespace millrace::kernels::reference
