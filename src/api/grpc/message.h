// Message: what a client sent, still bytes.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "api/grpc/wire_size.h"
#include "base/clock.h"
#include "base/result.h"

namespace millrace::api {

class Message {
 public:
  Message() = default;
  explicit Message(std::string bytes) : bytes_(std::move(bytes)) {}

  std::size_t size() const { return bytes_.size(); }
  std::string_view bytes() const { return bytes_; }
  // invalid_argument where the bytes are no such message. Large fields are copied; nothing is left.
  Status parse(google::protobuf::MessageLite& into);
  // All of it; nothing is left.
  std::string take() { return std::exchange(bytes_, {}); }
  // What parsing would take, found without parsing: see wire_size.h.
  Status check_size(const WireShape& shape) const;

  TimePoint arrival = Clock::now();

 private:
  std::string bytes_;
};

}  // namespace millrace::api
