// Runs a callable over indices on the Exec's threads.
#pragma once

#include "tensor/exec_view.h"

namespace millrace::kernels::reference {

// task(index, thread)
template <class Task>
void parallel_for(const ExecView& exec, int count, const Task& task) {
  exec.parallel(
      exec.pool, count,
      [](void* context, int index, int thread) {
        (*static_cast<const Task*>(context))(index, thread);
      },
      const_cast<Task*>(&task));
}

}  // namespace millrace::kernels::reference
