// What must hold between the fields of a GGUF model, whatever its family: token ids inside the
// vocabulary, per-token arrays of its length, sane sizes. Families check their own shapes.
#pragma once

#include "base/result.h"
#include "weights/weight_file.h"

namespace millrace::weights {

Status check_gguf_fields(const WeightFile& file);

}  // namespace millrace::weights
