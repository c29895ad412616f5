// CHECK: an invariant of ours. A failure is a bug of ours, so it ends the process with the place
// and the condition. Never for anything a request, a file or a network peer can influence: that is
// a Result.
#pragma once

namespace millrace {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace millrace

#define MILLRACE_CHECK(condition)         \
  (static_cast<bool>(condition) ? void(0) \
                                : ::millrace::check_failed(#condition, __FILE__, __LINE__))
