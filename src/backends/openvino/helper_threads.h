// The runtime's helper threads: one pool (TBB's) for all models of the process. They have a
// priority of their own, whoever they work for.
#pragma once

#ifdef MILLRACE_HAS_TBB
#include <tbb/task_arena.h>
#endif

#include <utility>

namespace millrace::backends {

// None of them helps with what the calling thread itself computes in here; without TBB's headers in
// the build they do.
template <typename Work>
auto without_helpers(Work&& work) {
#ifdef MILLRACE_HAS_TBB
  return tbb::task_arena(1).execute(std::forward<Work>(work));
#else
  return std::forward<Work>(work)();
#endif
}

}  // namespace millrace::backends
