#include "tensor/dtype.h"

namespace millrace {
namespace {

struct Row {
  const char* name;
  std::size_t elements;
  std::size_t bytes;
};

constexpr Row kRows[] = {
    {"f32", 1, 4},      {"f16", 1, 2},      {"bf16", 1, 2},     {"f64", 1, 8},
    {"i8", 1, 1},       {"i16", 1, 2},      {"i32", 1, 4},      {"i64", 1, 8},
    {"u8", 1, 1},       {"u16", 1, 2},      {"u32", 1, 4},      {"u64", 1, 8},
    {"bool", 1, 1},     {"bytes", 0, 0},    {"q4_0", 32, 18},   {"q4_1", 32, 20},
    {"q5_0", 32, 22},   {"q5_1", 32, 24},   {"q8_0", 32, 34},   {"q4_k", 256, 144},
    {"q5_k", 256, 176}, {"q6_k", 256, 210}, {"q4_g64", 64, 36}, {"q4_g128", 128, 68},
};

const Row& row(DType type) {
  return kRows[static_cast<std::size_t>(type)];
}

}  // namespace

std::size_t dtype_block_elements(DType type) {
  return row(type).elements;
}
std::size_t dtype_block_bytes(DType type) {
  return row(type).bytes;
}
const char* dtype_name(DType type) {
  return row(type).name;
}

}  // namespace millrace
