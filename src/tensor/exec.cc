#include "tensor/exec.h"

namespace millrace {
namespace {

void run_on_pool(void* pool, int count, void (*task)(void* context, int index, int thread),
                 void* context) {
  static_cast<ComputePool*>(pool)->parallel(count, task, context);
}

}  // namespace

Exec::Exec(ComputePool& pool, Precision precision) {
  view_.num_threads = pool.num_threads();
  view_.precision = precision;
  view_.pool = &pool;
  view_.parallel = run_on_pool;
}

Exec::~Exec() = default;

const ExecView& Exec::view(std::size_t scratch_bytes) {
  if (scratch_bytes > view_.scratch_bytes) {
    constexpr std::size_t kStep = std::size_t{64} << 10;
    scratch_ = Buffer();  // give the old one back before asking for more
    scratch_ = Buffer((scratch_bytes + kStep - 1) / kStep * kStep);
    view_.scratch = scratch_.data();
    view_.scratch_bytes = scratch_.size();
  }
  return view_;
}

}  // namespace millrace
