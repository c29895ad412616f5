// The key–value part of a GGUF header.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "weights/byte_cursor.h"
#include "weights/gguf_header.h"

namespace millrace::weights {

// Reads `count` pairs. Refused: duplicate or empty keys, nested arrays, booleans other than 0 and
// 1, scalars that are not finite, and whatever is over the limits.
Result<std::map<std::string, MetaValue, std::less<>>> read_gguf_metadata(ByteCursor& in,
                                                                         std::uint64_t count,
                                                                         const GgufLimits& limits);

}  // namespace millrace::weights
