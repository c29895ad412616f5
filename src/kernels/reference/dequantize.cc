// GGUF block formats, as https://github.com/ggml-org/ggml/blob/master/docs/gguf.md names them. A
// block holds 32 (q4_0 … q8_0) or 256 (K-quants) neighbours of one row. Scales are f16.
#include "kernels/reference/dequantize.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "kernels/reference/scalar.h"

namespace millrace::kernels::reference {
namespace {

constexpr int kBlock = 32;
constexpr int kSuperBlock = 256;

float half_at(const std::uint8_t* block, int offset) {
  return f16_to_f32(load<std::uint16_t>(block + offset));
}

// d f16, 16 bytes: element i in the low nibble of byte i, element i + 16 in its high nibble.
void q4_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0);
  const std::uint8_t* q = block + 2;
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>((q[i] & 0xf) - 8);
    out[i + 16] = d * static_cast<float>((q[i] >> 4) - 8);
  }
}

// d f16, m f16, nibbles as q4_0: d·q + m.
void q4_1(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0), m = half_at(block, 2);
  const std::uint8_t* q = block + 4;
  for (int i = 0; i < kBlock / 2; ++i) {
    out[i] = d * static_cast<float>(q[i] & 0xf) + m;
    out[i + 16] = d * static_cast<float>(q[i] >> 4) + m;
  }
}

// d f16, m f16, then for each 32 nibbles as q4_0: d·q + m.
template <int size>
void q4_group(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0), m = half_at(block, 2);
  for (int i = 0; i < size; ++i) {
    const std::uint8_t byte = block[4 + i / kBlock * 16 + i % 16];
    out[i] = d * static_cast<float>(i % kBlock < 16 ? byte & 0xf : byte >> 4) + m;
  }
}

// d f16, u32 with the fifth bit of element i at bit i, nibbles as q4_0.
void q5_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0);
  const auto high = load<std::uint32_t>(block + 2);
  const std::uint8_t* q = block + 6;
  for (int i = 0; i < kBlock / 2; ++i) {
    const int first = (q[i] & 0xf) | static_cast<int>(high >> i & 1) << 4;
    const int second = (q[i] >> 4) | static_cast<int>(high >> (i + 16) & 1) << 4;
    out[i] = d * static_cast<float>(first - 16);
    out[i + 16] = d * static_cast<float>(second - 16);
  }
}

// d f16, m f16, then as q5_0: d·q + m.
void q5_1(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0), m = half_at(block, 2);
  const auto high = load<std::uint32_t>(block + 4);
  const std::uint8_t* q = block + 8;
  for (int i = 0; i < kBlock / 2; ++i) {
    const int first = (q[i] & 0xf) | static_cast<int>(high >> i & 1) << 4;
    const int second = (q[i] >> 4) | static_cast<int>(high >> (i + 16) & 1) << 4;
    out[i] = d * static_cast<float>(first) + m;
    out[i + 16] = d * static_cast<float>(second) + m;
  }
}

// d f16, 32 × i8.
void q8_0(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0);
  for (int i = 0; i < kBlock; ++i) {
    out[i] = d * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
  }
}

// The 6-bit scale and minimum of sub-block j (of 8), packed in 12 bytes: bytes 0-3 hold scales 0-3
// and bytes 4-7 minimums 0-3 in their low six bits; bytes 8-11 hold the low nibbles of scales 4-7
// (low) and minimums 4-7 (high), whose upper two bits top bytes 0-3 and 4-7.
struct ScaleMin {
  int scale, min;
};
ScaleMin scale_min(const std::uint8_t* packed, int j) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 0xf) | (packed[j - 4] >> 6) << 4, (packed[j + 4] >> 4) | (packed[j] >> 6)
                                                                                        << 4};
}

// d f16, dmin f16, 12 bytes of scales, 128 bytes of nibbles: each 32 bytes hold sub-block 2c in
// their low nibbles and 2c + 1 in their high ones. d·scale·q - dmin·min.
void q4_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0), dmin = half_at(block, 2);
  for (int j = 0; j < 8; ++j) {
    const auto [scale, min] = scale_min(block + 4, j);
    const std::uint8_t* q = block + 16 + 32 * (j / 2);
    for (int i = 0; i < 32; ++i) {
      const int value = j % 2 == 0 ? q[i] & 0xf : q[i] >> 4;
      out[32 * j + i] = d * static_cast<float>(scale) * static_cast<float>(value) -
                        dmin * static_cast<float>(min);
    }
  }
}

// As q4_k with 32 bytes of fifth bits before the nibbles: bit j of byte i belongs to element i of
// sub-block j.
void q5_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 0), dmin = half_at(block, 2);
  const std::uint8_t* high = block + 16;
  for (int j = 0; j < 8; ++j) {
    const auto [scale, min] = scale_min(block + 4, j);
    const std::uint8_t* q = block + 48 + 32 * (j / 2);
    for (int i = 0; i < 32; ++i) {
      const int value = (j % 2 == 0 ? q[i] & 0xf : q[i] >> 4) | (high[i] >> j & 1) << 4;
      out[32 * j + i] = d * static_cast<float>(scale) * static_cast<float>(value) -
                        dmin * static_cast<float>(min);
    }
  }
}

// 128 bytes of low nibbles, 64 of upper bit pairs, 16 × i8 scales (one per 16), d f16. Each half of
// 128 elements is four runs of 32: runs 0 and 1 in the low nibbles of 64 bytes, 2 and 3 in the high
// ones; the upper bits of run r are bits 2r of the half's 32 bytes. d·scale·(q - 32).
void q6_k(const std::uint8_t* block, float* out) {
  const float d = half_at(block, 208);
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t* low = block + 64 * half;
    const std::uint8_t* high = block + 128 + 32 * half;
    for (int run = 0; run < 4; ++run) {
      for (int i = 0; i < 32; ++i) {
        const std::uint8_t nibbles = low[32 * (run % 2) + i];
        const int q = (run < 2 ? nibbles & 0xf : nibbles >> 4) | (high[i] >> (2 * run) & 3) << 4;
        const int element = 128 * half + 32 * run + i;
        const auto scale = static_cast<std::int8_t>(block[192 + element / 16]);
        out[element] = d * static_cast<float>(scale) * static_cast<float>(q - 32);
      }
    }
  }
}

void blocks(void (*decode)(const std::uint8_t*, float*), DType kind, const void* row, int k,
            float* out) {
  const auto* block = static_cast<const std::uint8_t*>(row);
  const int step = static_cast<int>(dtype_block_elements(kind));
  for (int i = 0; i < k; i += step, block += dtype_block_bytes(kind)) decode(block, out + i);
}

}  // namespace

bool is_weight_kind(DType kind) {
  constexpr DType kKinds[] = {DType::f32,  DType::f16,  DType::bf16,   DType::i8,     DType::q4_0,
                              DType::q4_1, DType::q5_0, DType::q5_1,   DType::q8_0,   DType::q4_k,
                              DType::q5_k, DType::q6_k, DType::q4_g64, DType::q4_g128};
  return std::ranges::find(kKinds, kind) != std::end(kKinds);
}

std::size_t row_bytes(DType kind, int k) {
  const std::size_t step = dtype_block_elements(kind);
  const auto elements = static_cast<std::size_t>(k);
  return elements % step == 0 ? elements / step * dtype_block_bytes(kind) : 0;
}

std::size_t i8_scales_offset(int n, int k) {
  const std::size_t values = static_cast<std::size_t>(n) * static_cast<std::size_t>(k);
  return (values + 63) / 64 * 64;
}

void dequantize_row(DType kind, const void* row, int k, float scale, float* out) {
  const auto* bytes = static_cast<const std::uint8_t*>(row);
  switch (kind) {
    case DType::f32:
      std::memcpy(out, row, sizeof(float) * static_cast<std::size_t>(k));
      return;
    case DType::f16:
      for (int i = 0; i < k; ++i) out[i] = f16_to_f32(load<std::uint16_t>(bytes + 2 * i));
      return;
    case DType::bf16:
      for (int i = 0; i < k; ++i) out[i] = bf16_to_f32(load<std::uint16_t>(bytes + 2 * i));
      return;
    case DType::i8:
      for (int i = 0; i < k; ++i) {
        out[i] = scale * static_cast<float>(static_cast<std::int8_t>(bytes[i]));
      }
      return;
    case DType::q4_0:
      return blocks(q4_0, kind, row, k, out);
    case DType::q4_1:
      return blocks(q4_1, kind, row, k, out);
    case DType::q5_0:
      return blocks(q5_0, kind, row, k, out);
    case DType::q5_1:
      return blocks(q5_1, kind, row, k, out);
    case DType::q8_0:
      return blocks(q8_0, kind, row, k, out);
    case DType::q4_k:
      return blocks(q4_k, kind, row, k, out);
    case DType::q5_k:
      return blocks(q5_k, kind, row, k, out);
    case DType::q6_k:
      return blocks(q6_k, kind, row, k, out);
    case DType::q4_g64:
      return blocks(q4_group<64>, kind, row, k, out);
    case DType::q4_g128:
      return blocks(q4_group<128>, kind, row, k, out);
    default:
      return;  // packed_bytes() refuses every other kind
  }
}

void dequantize_packed_row(const PackedWeight& weight, int r, float* out) {
  const auto* data = static_cast<const std::uint8_t*>(weight.data);
  const auto row = static_cast<std::size_t>(r);
  const float scale =
      weight.kind == DType::i8
          ? load<float>(data + i8_scales_offset(weight.n, weight.k) + sizeof(float) * row)
          : 1.0f;
  dequantize_row(weight.kind, data + row * row_bytes(weight.kind, weight.k), weight.k, scale, out);
}

}  // namespace millrace::kernels::reference
