// A request in a Batcher, and the errors that it may find at its door. The batcher's own files.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "serving/batcher.h"

namespace millrace::serving {

inline std::int64_t ns_between(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
}

struct Batcher::Item {
  BatchRequest request;
  std::uint64_t serial = 0;
  TimePoint submitted{};
  std::optional<std::stop_callback<std::function<void()>>> on_stop{};
};

inline Error overloaded() {
  Error error{.kind = ErrorKind::unavailable,
              .message = "the model's queue is full; try again later",
              .code = "overloaded"};
  error.retry_after_ms = 1000;
  return error;
}

inline Error too_late() {
  return {.kind = ErrorKind::deadline_exceeded,
          .message = "the request's time was over before it began"};
}

}  // namespace millrace::serving
