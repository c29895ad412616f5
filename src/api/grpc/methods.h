// The table of methods: everything that is answered on the gRPC port.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "api/context.h"
#include "api/grpc/call.h"
#include "api/grpc/message.h"

namespace millrace::api {

// The largest message: the table of limits' row for tensors.
inline constexpr std::size_t kMaxGrpcMessageBytes = std::size_t{64} << 20;

struct Method {
  const char* path;  // "/package.Service/Method"
  // Called with each message; of calls that do not stream, with the first.
  void (*handle)(const ApiContext&, std::shared_ptr<Call>, Message);
  std::size_t max_bytes;  // of a message
  enum class Kind { unary, server_stream, stream } kind = Kind::unary;
  // Messages of at most so many bytes are handled on gRPC's io thread: probes, which are answered
  // even when every worker is busy, and what takes less time to hand on than to wake a worker for.
  std::size_t most_in_place = 0;
};

std::span<const Method> methods();
const Method* find_method(std::string_view path);  // null: there is none

}  // namespace millrace::api
