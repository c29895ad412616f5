// Work that is to disturb nobody: while one of these lives, the calling thread and every thread
// that it starts run only where a core has nothing else to do (SCHED_IDLE). Afterwards all of them
// are as before. Does nothing where that could not be undone, see is_possible().
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace millrace {

class GivingWay {
 public:
  // A machine that is always busy would never come to it: after `at_most` all is as before. One at
  // a time in a process.
  explicit GivingWay(std::chrono::milliseconds at_most);
  ~GivingWay();
  GivingWay(const GivingWay&) = delete;
  GivingWay& operator=(const GivingWay&) = delete;

  // Threads may be set back: CAP_SYS_NICE, or RLIMIT_NICE of 20 (systemd: LimitNICE=+0). Tried out
  // once.
  static bool is_possible();

 private:
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread timer_;  // ends first
};

}  // namespace millrace
