#include "api/grpc/message.h"

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>

namespace millrace::api {

Status Message::parse(google::protobuf::MessageLite& into) {
  if (into.ParseFromString(take())) return {};
  return malformed_message();
}

Status Message::check_size(const WireShape& shape) const {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes_.data()),
                                            static_cast<int>(bytes_.size()));
  return check_wire_size(in, shape);
}

}  // namespace millrace::api
