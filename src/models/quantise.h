// Our own weight kinds, made from float weights at load: 8 bits with one scale an output (i8), or 4
// bits in groups of 32, 64 or 128 inputs with scale and minimum (q4_1, q4_g64, q4_g128). And bf16,
// which f32 weights are rounded to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace millrace::models {

enum class Quantization : std::uint8_t { none, bf16, int8, int4_g32, int4_g64, int4_g128 };

// "none", "bf16", "int8", "int4" (groups of 32), "int4-g32", "int4-g64", "int4-g128"; empty is
// none.
std::optional<Quantization> quantization_from(std::string_view word);

bool is_plain_float(DType kind);  // f32, f16 or bf16

// Whether weights of a kind become smaller: bf16 is for f32 only, the others for f16 and bf16 too.
bool quantises(Quantization quantization, DType from);

// The kind that rows of k inputs get: the widest group up to the one asked for that divides k, else
// i8.
DType quantised_kind(Quantization quantization, int k);

// A group's values are d·q + m with codes q in 0..15; d and m are exact in f16, d is not negative.
struct Affine {
  float d = 0, m = 0;
  int code(float x) const;  // the nearest
};
// The pair that leaves the least Σ importance·error² where all values are rounded to the nearest.
// `importance` [count], not negative, or null: all alike.
Affine fit_group(const float* x, const float* importance, int count);
// Writes one group of a 4-bit kind; its codes are `codes` [elements of a block].
void put_group(DType kind, const Affine& pair, const std::uint8_t* codes, std::byte* out);
float round_to_half(float x);

// Bytes of a row of k, which is whole blocks of the kind.
std::size_t row_bytes(DType kind, std::int64_t k);

// One row of k finite values as `kind` (one of the above). Writes the row in the kind's own format
// (i8: k bytes) to `out`. Returns the row's scale for i8, else 1.
float quantise_row(DType kind, const float* row, int k, std::byte* out);

}  // namespace millrace::models
