// Exact scalar dequantisation. Block layouts: ggml's published structs (ggml-common.h) as described
// in https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Scales are 16-bit floats; every
// product is rounded to f32 in the order scale × sub-scale × quant − minimum.
#include <array>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "tensor/half.h"
#include "weights/weight_file.h"

namespace millrace::weights {
namespace {

constexpr std::size_t kMaxBlock = 256;

float half_at(const std::uint8_t* bytes) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes, sizeof half);
  return f32_from_f16(half);
}

std::uint32_t u32_at(const std::uint8_t* bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// Nibbles of the 32-element formats: the low halves are elements 0…15, the high ones 16…31.
int nibble(const std::uint8_t* quants, std::size_t i) {
  return i < 16 ? quants[i] & 0xf : quants[i - 16] >> 4;
}

void q4_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (std::size_t i = 0; i < 32; ++i) {
    out[i] = static_cast<float>(nibble(block + 2, i) - 8) * scale;
  }
}

void q4_1(const std::uint8_t* block, float* out) {
  const float scale = half_at(block), minimum = half_at(block + 2);
  for (std::size_t i = 0; i < 32; ++i) {
    const float scaled = static_cast<float>(nibble(block + 4, i)) * scale;
    out[i] = scaled + minimum;
  }
}

// The fifth bit of element i is bit i of a 32-bit word.
int five_bits(const std::uint8_t* high, const std::uint8_t* quants, std::size_t i) {
  return nibble(quants, i) | static_cast<int>((u32_at(high) >> i) & 1u) << 4;
}

void q5_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (std::size_t i = 0; i < 32; ++i) {
    out[i] = static_cast<float>(five_bits(block + 2, block + 6, i) - 16) * scale;
  }
}

void q5_1(const std::uint8_t* block, float* out) {
  const float scale = half_at(block), minimum = half_at(block + 2);
  for (std::size_t i = 0; i < 32; ++i) {
    const float scaled = static_cast<float>(five_bits(block + 4, block + 8, i)) * scale;
    out[i] = scaled + minimum;
  }
}

// Our own groups: q4_1 with the scale and minimum of `size` neighbours.
template <std::size_t size>
void q4_group(const std::uint8_t* block, float* out) {
  const float scale = half_at(block), minimum = half_at(block + 2);
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint8_t byte = block[4 + i / 32 * 16 + i % 16];
    const float scaled = static_cast<float>(i % 32 < 16 ? byte & 0xf : byte >> 4) * scale;
    out[i] = scaled + minimum;
  }
}

void q8_0(const std::uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (std::size_t i = 0; i < 32; ++i) {
    out[i] = static_cast<float>(static_cast<std::int8_t>(block[2 + i])) * scale;
  }
}

struct SubScale {
  int scale;
  int minimum;
};

// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each are whole, the top
// two bits of the others sit in the top bits of the first eight bytes.
SubScale sub_scale(const std::uint8_t* packed, std::size_t j) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 0xf) | (packed[j - 4] >> 6) << 4, (packed[j + 4] >> 4) | (packed[j] >> 6)
                                                                                        << 4};
}

// Q4_K and Q5_K: 8 groups of 32; pairs of groups share 32 bytes of nibbles. `high` is null for
// Q4_K.
void q45_k(const std::uint8_t* block, const std::uint8_t* high, const std::uint8_t* quants,
           float* out) {
  const float scale = half_at(block), minimum = half_at(block + 2);
  for (std::size_t group = 0; group < 8; ++group) {
    const SubScale sub = sub_scale(block + 4, group);
    const float group_scale = scale * static_cast<float>(sub.scale);
    const float group_minimum = minimum * static_cast<float>(sub.minimum);
    const std::uint8_t* bytes = quants + group / 2 * 32;
    for (std::size_t i = 0; i < 32; ++i) {
      int quant = group % 2 == 0 ? bytes[i] & 0xf : bytes[i] >> 4;
      if (high) quant |= ((high[i] >> group) & 1) << 4;
      const float scaled = group_scale * static_cast<float>(quant);
      out[group * 32 + i] = scaled - group_minimum;
    }
  }
}

void q4_k(const std::uint8_t* block, float* out) {
  q45_k(block, nullptr, block + 16, out);
}

void q5_k(const std::uint8_t* block, float* out) {
  q45_k(block, block + 16, block + 48, out);
}

// Two halves of 128: element 32·k + i of a half has its low four bits in a nibble of low[], its top
// two in bits 2k, 2k+1 of high[i]; 16 elements share an 8-bit scale.
void q6_k(const std::uint8_t* block, float* out) {
  const float scale = half_at(block + 208);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint8_t* low = block + half * 64;
    const std::uint8_t* high = block + 128 + half * 32;
    const std::uint8_t* scales = block + 192 + half * 8;
    for (std::size_t k = 0; k < 4; ++k) {
      for (std::size_t i = 0; i < 32; ++i) {
        const int byte = low[(k % 2) * 32 + i];
        const int low_bits = k < 2 ? byte & 0xf : byte >> 4;
        const int quant = (low_bits | ((high[i] >> (2 * k)) & 3) << 4) - 32;
        const auto sub = static_cast<std::int8_t>(scales[2 * k + i / 16]);
        out[half * 128 + k * 32 + i] = scale * static_cast<float>(sub) * static_cast<float>(quant);
      }
    }
  }
}

template <class T>
void plain(const std::uint8_t* element, float* out) {
  T value;
  std::memcpy(&value, element, sizeof value);
  *out = static_cast<float>(value);
}

void f16(const std::uint8_t* element, float* out) {
  *out = half_at(element);
}

void bf16(const std::uint8_t* element, float* out) {
  std::uint16_t brain = 0;
  std::memcpy(&brain, element, sizeof brain);
  *out = f32_from_bf16(brain);
}

void boolean(const std::uint8_t* element, float* out) {
  *out = *element != 0 ? 1.0f : 0.0f;
}

using BlockReader = void (*)(const std::uint8_t* block, float* out);

BlockReader reader_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return plain<float>;
    case DType::f16:
      return f16;
    case DType::bf16:
      return bf16;
    case DType::f64:
      return plain<double>;
    case DType::i8:
      return plain<std::int8_t>;
    case DType::i16:
      return plain<std::int16_t>;
    case DType::i32:
      return plain<std::int32_t>;
    case DType::i64:
      return plain<std::int64_t>;
    case DType::u8:
      return plain<std::uint8_t>;
    case DType::u16:
      return plain<std::uint16_t>;
    case DType::u32:
      return plain<std::uint32_t>;
    case DType::u64:
      return plain<std::uint64_t>;
    case DType::boolean:
      return boolean;
    case DType::q4_0:
      return q4_0;
    case DType::q4_1:
      return q4_1;
    case DType::q5_0:
      return q5_0;
    case DType::q5_1:
      return q5_1;
    case DType::q8_0:
      return q8_0;
    case DType::q4_k:
      return q4_k;
    case DType::q5_k:
      return q5_k;
    case DType::q6_k:
      return q6_k;
    case DType::q4_g64:
      return q4_group<64>;
    case DType::q4_g128:
      return q4_group<128>;
    case DType::bytes:
      break;
  }
  return nullptr;
}

}  // namespace

void dequantise(const TensorView& tensor, std::int64_t first, std::int64_t count, float* out) {
  const BlockReader read_block = reader_of(tensor.dtype);
  MILLRACE_CHECK(read_block != nullptr);
  const auto block = static_cast<std::int64_t>(dtype_block_elements(tensor.dtype));
  const std::size_t block_bytes = dtype_block_bytes(tensor.dtype);
  const std::int64_t total = tensor.shape.num_elements();
  MILLRACE_CHECK(first >= 0 && count >= 0 && first <= total && count <= total - first);
  MILLRACE_CHECK(first % block == 0);

  const auto* bytes = static_cast<const std::uint8_t*>(tensor.data) +
                      static_cast<std::size_t>(first / block) * block_bytes;
  for (; count >= block; count -= block, out += block, bytes += block_bytes) read_block(bytes, out);
  if (count > 0) {
    std::array<float, kMaxBlock> last;
    read_block(bytes, last.data());
    std::memcpy(out, last.data(), static_cast<std::size_t>(count) * sizeof(float));
  }
}

}  // namespace millrace::weights
