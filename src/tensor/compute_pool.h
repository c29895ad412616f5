// ComputePool: the threads that do math, pinned one a core; the caller takes part as thread 0.
// Waiting threads spin for a moment, then sleep on a futex, so an idle server costs nothing.
#pragma once

#include <memory>
#include <vector>

namespace millrace {

class ComputePool {
 public:
  // num_threads counts the caller; 0 means one a core that this process may use.
  explicit ComputePool(int num_threads = 0);
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  int num_threads() const;
  // See ExecView::parallel. Calls from several engine threads take turns.
  void parallel(int count, void (*task)(void* context, int index, int thread), void* context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
