// Exec: where math runs. It lends a compute pool (CPU) or a stream (GPU) and scratch memory to
// kernels. One Exec belongs to one engine thread at a time; it is not thread-safe. The pool behind
// it may be shared.
#pragma once

#include <cstddef>

#include "tensor/buffer.h"
#include "tensor/compute_pool.h"
#include "tensor/exec_view.h"

namespace millrace {

class Exec {
 public:
  // Borrows the pool, which must outlive this.
  explicit Exec(ComputePool& pool, Precision precision = Precision::standard);
  ~Exec();
  Exec(const Exec&) = delete;
  Exec& operator=(const Exec&) = delete;

  // What kernels see. Scratch holds at least `scratch_bytes`, 64-byte aligned; it grows here and
  // only here, so a step whose largest shapes were seen at load allocates nothing.
  const ExecView& view(std::size_t scratch_bytes);
  int num_threads() const { return view_.num_threads; }
  Precision precision() const { return view_.precision; }
  std::size_t scratch_bytes() const { return view_.scratch_bytes; }

 private:
  Buffer scratch_;
  ExecView view_;
};

}  // namespace millrace
