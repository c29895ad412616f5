// Message: what a client sent, still bytes; and bytes on their way out. The files of this folder
// that name gRPC are message, grpc_call and grpc_server; the others speak of calls and messages.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <string>
#include <utility>

#include "api/grpc/wire_size.h"
#include "base/clock.h"
#include "base/result.h"

namespace millrace::api {

class Message {
 public:
  Message() = default;
  explicit Message(const grpc::ByteBuffer& bytes) : bytes_(bytes) {}
  explicit Message(const std::string& bytes);

  std::size_t size() const { return bytes_.Valid() ? bytes_.Length() : 0; }
  // invalid_argument where the bytes are no such message. Large fields are copied once.
  Status parse(google::protobuf::MessageLite& into);
  // All of it, in one piece; nothing is left.
  std::string take();
  // What parsing would take, found without parsing: see wire_size.h.
  Status check_size(const WireShape& shape);

  TimePoint arrival = Clock::now();

 private:
  grpc::ByteBuffer bytes_;
};

// Takes the string; nothing is copied.
grpc::ByteBuffer to_byte_buffer(std::string bytes);

}  // namespace millrace::api
