// Splits a product into runs of panels and gives each to a kernel: byte planes on VNNI for
// quantised weights, f32 for plain ones and wherever results must be exact.
#include "kernels/avx512/gemm.h"

#include "kernels/avx512/epilogue.h"
#include "kernels/avx512/ops.h"
#include "kernels/avx512/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kMostRows = 512;  // of x at a time, in f32
constexpr size_t kDecodedBytes = 256 * 64;

bool use_vnni(const ExecView& exec, const GemmArgs& args) {
  if (exec.precision == Precision::exact) return false;
  for (int p = 0; p < args.num_parts; ++p) {
    if (!avx512::vnni_can(args.parts[p].weight->kind)) return false;
  }
  return true;
}

int block_rows(bool vnni, const GemmArgs& args) {
  const int most = vnni ? avx512::vnni_block_rows(args.k) : kMostRows;
  return args.m < most ? args.m : most;
}

size_t thread_bytes(int rows) {
  return kDecodedBytes + 2 * 64 * static_cast<size_t>(avx512::vnni_padded_rows(rows));
}

// A block of at most block_rows rows.
void multiply_rows(const ExecView& exec, const GemmArgs& args, bool vnni) {
  auto* shared = static_cast<uint8_t*>(exec.scratch);
  avx512::VnniInput planes = {};
  if (vnni) {
    planes = avx512::vnni_quantize(exec, args, shared);
    shared += avx512::vnni_scratch(args.m, args.k);
  }
  const size_t stride = thread_bytes(args.m);
  const bool gated = is_gated(args.epilogue);
  const PanelPlan plan = plan_panels(exec, args, 1, 1 << 30);
  parallel_for(exec, plan.num_pieces, [&](int piece, int thread) {
    uint8_t* own = shared + static_cast<size_t>(thread) * stride;
    auto* decoded = reinterpret_cast<float*>(own);
    auto* sums = reinterpret_cast<float*>(own + kDecodedBytes);
    float* up = sums + static_cast<size_t>(avx512::vnni_padded_rows(args.m)) * 16;
    const auto multiply = [&](int part, int panel, float* to) {
      const PackedWeight& weight = *args.parts[part].weight;
      if (vnni) {
        avx512::multiply_panel_vnni(planes, weight, panel, to);
      } else {
        avx512::multiply_panel_f32(args, weight, panel, decoded, to);
      }
    };
    const PanelRange range = piece_at(plan, piece);
    for (int panel = range.begin; panel < range.end; ++panel) {
      multiply(range.part, panel, sums);
      if (gated) multiply(1, panel, up);
      finish_panel(args, range.part, panel, 0, args.m, sums, up);
    }
  });
}

}  // namespace

namespace avx512 {

size_t gemm_scratch(const ExecView& exec, const GemmArgs& args) {
  const bool vnni = use_vnni(exec, args);
  const int rows = block_rows(vnni, args);
  const size_t planes = vnni ? vnni_scratch(rows, args.k) : 0;
  return planes + thread_bytes(rows) * static_cast<size_t>(exec.num_threads);
}

void gemm(const ExecView& exec, const GemmArgs& args) {
  const bool vnni = use_vnni(exec, args);
  const int block = block_rows(vnni, args);
  for (int first = 0; first < args.m; first += block) {
    GemmArgs rows = args;
    rows.x += first * args.x_stride;
    rows.m = args.m - first < block ? args.m - first : block;
    for (int p = 0; p < args.num_parts; ++p) {
      if (rows.parts[p].out != nullptr) rows.parts[p].out += first * args.parts[p].out_stride;
    }
    multiply_rows(exec, rows, vnni);
  }
}

}  // namespace avx512
}  // namespace millrace::kernels
