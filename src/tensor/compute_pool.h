// ComputePool: the threads that do math, pinned one a core; the caller takes part as thread 0.
// Waiting threads spin for a moment, then sleep on a futex, so an idle server costs nothing.
#pragma once

#include <memory>

namespace millrace {

class ComputePool {
 public:
  // Long enough to bridge the gaps between the operations of a step, short beside a scheduler tick.
  static constexpr int kDefaultSpinMicros = 50;

  // num_threads counts the caller; 0 means usable_cores() (base/cores.h). Threads are pinned when
  // there is a core for each. `spin_micros` is how long a thread without work polls before it
  // sleeps.
  explicit ComputePool(int num_threads = 0, int spin_micros = kDefaultSpinMicros);
  ~ComputePool();  // no call may be in progress
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  int num_threads() const;
  // See ExecView::parallel. Calls from several engine threads take turns. A thread that is not
  // scheduled in time claims nothing, and the call does not wait for it.
  void parallel(int count, void (*task)(void* context, int index, int thread), void* context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
