// A function of each of many rows, on all threads.
#pragma once

#include <algorithm>

#include "kernels/ops.h"

namespace millrace::optimize {

// Calls work(row) for every row in [0, num_rows). Rows do not see each other.
template <class Work>
void on_rows(kernels::Ops& ops, int num_rows, const Work& work) {
  constexpr int kRowsAPiece = 8;
  struct Job {
    const Work& work;
    int num_rows;
  } job{work, num_rows};
  const ExecView& view = ops.exec.view(0);
  view.parallel(
      view.pool, (num_rows + kRowsAPiece - 1) / kRowsAPiece,
      [](void* context, int piece, int) {
        const Job& j = *static_cast<const Job*>(context);
        const int end = std::min(j.num_rows, (piece + 1) * kRowsAPiece);
        for (int row = piece * kRowsAPiece; row < end; ++row) j.work(row);
      },
      &job);
}

}  // namespace millrace::optimize
