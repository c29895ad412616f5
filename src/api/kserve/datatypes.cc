#include "api/kserve/datatypes.h"

namespace millrace::api {
namespace {

struct Name {
  DType dtype;
  std::string_view text;  // of a literal
};

constexpr Name kNames[] = {{DType::boolean, "BOOL"}, {DType::u8, "UINT8"},   {DType::u16, "UINT16"},
                           {DType::u32, "UINT32"},   {DType::u64, "UINT64"}, {DType::i8, "INT8"},
                           {DType::i16, "INT16"},    {DType::i32, "INT32"},  {DType::i64, "INT64"},
                           {DType::f16, "FP16"},     {DType::bf16, "BF16"},  {DType::f32, "FP32"},
                           {DType::f64, "FP64"},     {DType::bytes, "BYTES"}};

}  // namespace

const char* datatype_name(DType dtype) {
  for (const Name& name : kNames) {
    if (name.dtype == dtype) return name.text.data();
  }
  return "";
}

std::optional<DType> dtype_of_name(std::string_view datatype) {
  for (const Name& name : kNames) {
    if (datatype == name.text) return name.dtype;
  }
  return std::nullopt;
}

bool fits_json(DType dtype) {
  return dtype != DType::f16 && dtype != DType::bf16;
}

}  // namespace millrace::api
