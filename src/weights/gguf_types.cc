#include "weights/gguf_types.h"

#include <array>
#include <utility>

namespace millrace::weights {
namespace {

// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, enum ggml_type; null: removed.
constexpr std::array<const char*, 40> kNames = {
    "F32",     "F16",    "Q4_0",    "Q4_1",  nullptr,  nullptr, "Q5_0",  "Q5_1",
    "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
    "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
    "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16",  nullptr,
    nullptr,   nullptr,  "TQ1_0",   "TQ2_0", nullptr,  nullptr, nullptr, "MXFP4"};

// "MR" and a number of ours.
constexpr std::uint32_t kOwn = 0x4d520000;

constexpr std::array<std::pair<std::uint32_t, DType>, 18> kTypes = {{{0, DType::f32},
                                                                     {1, DType::f16},
                                                                     {2, DType::q4_0},
                                                                     {3, DType::q4_1},
                                                                     {6, DType::q5_0},
                                                                     {7, DType::q5_1},
                                                                     {8, DType::q8_0},
                                                                     {12, DType::q4_k},
                                                                     {13, DType::q5_k},
                                                                     {14, DType::q6_k},
                                                                     {24, DType::i8},
                                                                     {25, DType::i16},
                                                                     {26, DType::i32},
                                                                     {27, DType::i64},
                                                                     {28, DType::f64},
                                                                     {30, DType::bf16},
                                                                     {kOwn + 64, DType::q4_g64},
                                                                     {kOwn + 128, DType::q4_g128}}};

}  // namespace

std::optional<DType> gguf_dtype(std::uint32_t type) {
  for (const auto& [number, dtype] : kTypes) {
    if (number == type) return dtype;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> gguf_type_of(DType type) {
  for (const auto& [number, dtype] : kTypes) {
    if (dtype == type) return number;
  }
  return std::nullopt;
}

std::string gguf_type_name(std::uint32_t type) {
  if (type < kNames.size() && kNames[type]) return kNames[type];
  return "number " + std::to_string(type);
}

}  // namespace millrace::weights
