// Time. Durations and deadlines use the steady clock; the wall clock appears only in what people
// read.
#pragma once

#include <chrono>
#include <cstdint>

namespace millrace {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
inline constexpr TimePoint kNever = TimePoint::max();

inline double seconds_between(TimePoint from, TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}
// Seconds since 1970, for `created` fields.
std::int64_t unix_seconds();

}  // namespace millrace
