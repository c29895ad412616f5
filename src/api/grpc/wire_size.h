// How much memory a protobuf message would take once parsed. Two bytes on the wire can become a
// hundred in memory, so large messages are walked over before they are parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace google::protobuf::io {
class CodedInputStream;
}

namespace millrace::api {

struct WireShape;

// A field that may be large. All others count as the message's head.
struct WireField {
  std::uint32_t number = 0;
  std::size_t element_bytes = 0;     // of varints in memory; 0: no larger than on the wire
  const WireShape* shape = nullptr;  // of messages
};
struct WireShape {
  std::span<const WireField> fields;
};

inline constexpr std::size_t kMaxHeadBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxParsedBytes = std::size_t{128} << 20;

extern const WireShape kInferShape;    // inference.ModelInferRequest
extern const WireShape kPredictShape;  // tensorflow.serving.PredictRequest

// What is answered to bytes that are no such message: invalid_argument.
std::unexpected<Error> malformed_message();

// too_large above either limit; malformed_message() where the bytes are no message at all.
Status check_wire_size(google::protobuf::io::CodedInputStream& in, const WireShape& shape);

}  // namespace millrace::api
