// A thread that stands still while it would be in the way: while one of these lives, the thread
// that made it looks about every millisecond whether what others wait for (base/foreground.h) takes
// all cores, and sleeps while that is so. It gets a fiftieth of the time nevertheless.
//
// Idle priority alone does not do: a core that runs such a thread takes no work from a core that
// has too much (Linux balances at once only where a core runs out of work), so that requests wait
// behind each other beside it.
//
// Uses a timer and the signal SIGRTMIN + 6, which only this thread gets; system calls go on after
// it (SA_RESTART). A lock that the thread holds while it sleeps is held for 50 ms at most.
#pragma once

#include <ctime>

namespace millrace {

class StandingStill {
 public:
  StandingStill();
  ~StandingStill();  // on any thread
  StandingStill(const StandingStill&) = delete;
  StandingStill& operator=(const StandingStill&) = delete;

 private:
  timer_t timer_{};
  bool has_timer_ = false;  // else it never stands still
};

}  // namespace millrace
