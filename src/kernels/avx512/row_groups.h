// Rows of x go in groups of 8, the last in one of 4, 2 or 1 (vnni_group): how each way of
// multiplying prepares them and passes over a panel.
#pragma once

#include "kernels/avx512/gemm.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

// Groups of rows pass over a panel one after another.
struct Pass {
  int index, count;
};

// Calls f.template operator()<rows>() for a group of 1, 2, 4 or 8 rows.
template <class F>
inline void with_rows(int rows, const F& f) {
  switch (rows) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 4:
      return f.template operator()<4>();
    default:
      return f.template operator()<8>();
  }
}

// Calls f.template operator()<group>(first row, pass) for each group.
template <class F>
inline void for_row_groups(int rows, const F& f) {
  for (int first = 0; first < rows; first += 8) {
    const Pass pass = {first / 8, (rows + 7) / 8};
    with_rows(avx512::vnni_group(rows - first),
              [&]<int group>() { f.template operator()<group>(first, pass); });
  }
}

// Calls put(x, first, r, group) for row r of each group, on all threads; x is null for rows that a
// group has too many.
template <class Put>
inline void prepare_row_groups(const ExecView& exec, const GemmArgs& args, const Put& put) {
  parallel_for(exec, (args.m + 7) / 8, [&](int index, int) {
    const int first = 8 * index, rows = args.m - first < 8 ? args.m - first : 8;
    const int group = avx512::vnni_group(rows);
    for (int r = 0; r < group; ++r) {
      put(r < rows ? args.x + (first + r) * args.x_stride : nullptr, first, r, group);
    }
  });
}

}  // namespace
}  // namespace millrace::kernels
