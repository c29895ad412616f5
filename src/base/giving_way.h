// Work that is to disturb nobody: while one of these lives, the calling thread stands still while
// it would be in the way (base/standing_still.h), and it and every thread that it starts run only
// where a core has nothing else to do (SCHED_IDLE). Afterwards they are as before. The second is
// left out where it could not be undone, see is_possible().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "base/standing_still.h"

namespace millrace {

class GivingWay {
 public:
  // Who is as before in the end. `all`: every thread of the process that gives way; one such at a
  // time. `itself`: the calling thread, which starts none meanwhile.
  enum class SetBack : std::uint8_t { all, itself };

  // A machine that is always busy would never come to it: `at_most` later that is the end.
  explicit GivingWay(std::chrono::milliseconds at_most, SetBack set_back = SetBack::all);
  ~GivingWay();
  GivingWay(const GivingWay&) = delete;
  GivingWay& operator=(const GivingWay&) = delete;

  // Threads may be set back: CAP_SYS_NICE, or RLIMIT_NICE of 20 (systemd: LimitNICE=+0). Tried out
  // once.
  static bool is_possible();

 private:
  void end();

  const SetBack set_back_;
  const int thread_;
  std::optional<StandingStill> still_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread timer_;  // ends first
};

}  // namespace millrace
