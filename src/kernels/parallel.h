// Runs a callable task(index, thread) over indices on the Exec's threads.
#pragma once

#include "tensor/exec_view.h"

namespace millrace::kernels {
namespace {

template <class Task>
inline void parallel_for(const ExecView& exec, int count, const Task& task) {
  if (count <= 1 || exec.num_threads <= 1) {
    for (int i = 0; i < count; ++i) task(i, 0);
    return;
  }
  exec.parallel(
      exec.pool, count,
      [](void* context, int index, int thread) {
        (*static_cast<const Task*>(context))(index, thread);
      },
      const_cast<Task*>(&task));
}

// The same where neighbouring indices read and write neighbouring memory: each thread begins with
// its own share of them, always the same one, so that it meets what it made in the op before. Then
// it helps with the others'.
template <class Task>
inline void parallel_near(const ExecView& exec, int count, const Task& task) {
  constexpr int kMostThreads = 64;
  const int threads = exec.num_threads;
  if (count <= 1 || threads <= 1 || threads > kMostThreads) return parallel_for(exec, count, task);
  struct alignas(64) Share {
    int next, end;
  };
  Share shares[kMostThreads];
  const auto share_begin = [&](int thread) {
    return static_cast<int>(int64_t{count} * thread / threads);
  };
  for (int t = 0; t < threads; ++t) shares[t] = {share_begin(t), share_begin(t + 1)};
  parallel_for(exec, threads, [&](int, int thread) {
    for (int i = 0; i < threads; ++i) {
      Share& share = shares[(thread + i) % threads];
      for (;;) {
        const int index = __atomic_fetch_add(&share.next, 1, __ATOMIC_RELAXED);
        if (index >= share.end) break;
        task(index, thread);
      }
    }
  });
}

}  // namespace
}  // namespace millrace::kernels
