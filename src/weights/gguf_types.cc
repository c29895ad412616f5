#include "weights/gguf_types.h"

#include <array>

namespace millrace::weights {
namespace {

// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, enum ggml_type; null: removed.
constexpr std::array<const char*, 40> kNames = {
    "F32",     "F16",    "Q4_0",    "Q4_1",  nullptr,  nullptr, "Q5_0",  "Q5_1",
    "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
    "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
    "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16",  nullptr,
    nullptr,   nullptr,  "TQ1_0",   "TQ2_0", nullptr,  nullptr, nullptr, "MXFP4"};

}  // namespace

std::optional<DType> gguf_dtype(std::uint32_t type) {
  switch (type) {
    case 0:
      return DType::f32;
    case 1:
      return DType::f16;
    case 2:
      return DType::q4_0;
    case 3:
      return DType::q4_1;
    case 6:
      return DType::q5_0;
    case 7:
      return DType::q5_1;
    case 8:
      return DType::q8_0;
    case 12:
      return DType::q4_k;
    case 13:
      return DType::q5_k;
    case 14:
      return DType::q6_k;
    case 24:
      return DType::i8;
    case 25:
      return DType::i16;
    case 26:
      return DType::i32;
    case 27:
      return DType::i64;
    case 28:
      return DType::f64;
    case 30:
      return DType::bf16;
    default:
      return std::nullopt;
  }
}

std::string gguf_type_name(std::uint32_t type) {
  if (type < kNames.size() && kNames[type]) return kNames[type];
  return "number " + std::to_string(type);
}

}  // namespace millrace::weights
