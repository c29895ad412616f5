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

}  // namespace
}  // namespace millrace::kernels
