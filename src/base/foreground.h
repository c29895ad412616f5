// Work that somebody waits for, counted over the whole process in cores that it takes, so that work
// in the background (base/giving_way.h) can stand still while it would be in the way. Everything
// here is thread-safe.
#pragma once

#include <chrono>

namespace millrace {

// Counts as long as it lives.
class Foreground {
 public:
  explicit Foreground(int cores);
  ~Foreground();
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;

  // usable_cores(), as they were when first asked for: not on a thread that is pinned.
  static int cores_of_process();
  // Sleeps until what is counted leaves a core, at most so long. May be called in a signal's
  // handler.
  static void await_core(std::chrono::nanoseconds at_most);

 private:
  const int cores_;
};

}  // namespace millrace
