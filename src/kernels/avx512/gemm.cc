// Splits a product into runs of panels and gives each to a kernel: byte planes on VNNI for
// quantised weights (single bytes in Precision::fast), pairs of bf16 for bf16 ones where the
// machine is fast at them, f32 for other plain ones and wherever results must be exact.
#include "kernels/avx512/gemm.h"

#include "kernels/avx512/epilogue.h"
#include "kernels/avx512/ops.h"
#include "kernels/avx512/shares.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kMostRows = 512;  // of x at a time, in f32
constexpr size_t kDecodedBytes = 256 * 64;

enum class Way { f32, pairs, planes, bytes };

template <class Check>
bool all_weights(const GemmArgs& args, const Check& check) {
  for (int p = 0; p < args.num_parts; ++p) {
    if (!check(args.parts[p].weight->kind)) return false;
  }
  return true;
}

Way way_of(const ExecView& exec, const GemmArgs& args) {
  if (exec.precision == Precision::exact) return Way::f32;
  if (!all_weights(args, avx512::vnni_can)) {
    const bool pairs = args.m > avx512::kFewRows && avx512::pairs_pay() &&
                       all_weights(args, [](DType kind) { return kind == DType::bf16; });
    return pairs ? Way::pairs : Way::f32;
  }
  return exec.precision == Precision::fast && args.m > avx512::kFreeRows ? Way::bytes : Way::planes;
}

int block_rows(Way way, const GemmArgs& args) {
  const int most = way == Way::f32 ? kMostRows : avx512::vnni_block_rows(args.k);
  return args.m < most ? args.m : most;
}

size_t input_bytes(Way way, int rows, int k) {
  switch (way) {
    case Way::f32:
      return 0;
    case Way::pairs:
      return avx512::pairs_scratch(rows, k);
    case Way::planes:
      return avx512::vnni_scratch(rows, k);
    case Way::bytes:
      return avx512::bytes_scratch(rows, k);
  }
  return 0;
}

size_t thread_bytes(int rows) {
  return kDecodedBytes + 2 * 64 * static_cast<size_t>(avx512::vnni_padded_rows(rows));
}

bool are_plain(const GemmArgs& args) {
  return all_weights(args, [](DType kind) { return !avx512::vnni_can(kind); });
}

const uint8_t* panel_address(const PackedWeight& weight, int panel) {
  return with_kind(weight.kind, [&]<DType kind>() { return panel_at<kind>(weight, panel); });
}

// A few rows, kSideBySide panels at a time: multiply(weight, panel, count, next, sums). Their sums
// take the place of decoded tiles.
template <class Multiply>
void multiply_few_rows(const ExecView& exec, const GemmArgs& args, uint8_t* scratch,
                       const Multiply& multiply) {
  constexpr int kMost = avx512::kSideBySide;
  const bool gated = is_gated(args.epilogue);
  uint8_t* const shares = scratch + thread_bytes(args.m) * static_cast<size_t>(exec.num_threads);
  share_panels(
      exec, args, kMost, shares, [&](const Bundle& bundle, const Bundle& next, int thread) {
        uint8_t* own = scratch + static_cast<size_t>(thread) * thread_bytes(args.m);
        auto* sums = reinterpret_cast<float*>(own);
        const int stride = 16 * args.m;
        float* up = sums + kMost * stride;
        const PackedWeight& weight = *args.parts[bundle.part].weight;
        const uint8_t* const here = panel_address(weight, bundle.panel);
        const uint8_t* const after =
            next.count == 0 ? here : panel_address(*args.parts[next.part].weight, next.panel);
        if (gated) {
          const PackedWeight& other = *args.parts[1].weight;
          multiply(weight, bundle.panel, bundle.count, panel_address(other, bundle.panel), sums);
          multiply(other, bundle.panel, bundle.count, after, up);
        } else {
          multiply(weight, bundle.panel, bundle.count, after, sums);
        }
        for (int p = 0; p < bundle.count; ++p) {
          finish_panel(args, bundle.part, bundle.panel + p, 0, args.m, sums + p * stride,
                       up + p * stride);
        }
      });
}

// A block of at most block_rows rows.
void multiply_rows(const ExecView& exec, const GemmArgs& args, Way way) {
  auto* shared = static_cast<uint8_t*>(exec.scratch);
  if (way == Way::f32 && args.m <= avx512::kFewRows && are_plain(args)) {
    return multiply_few_rows(
        exec, args, shared,
        [&](const PackedWeight& weight, int panel, int count, const uint8_t* next, float* sums) {
          avx512::multiply_panels_few(args, weight, panel, count, next, sums);
        });
  }
  avx512::PairInput pairs = {};
  avx512::VnniInput planes = {};
  avx512::ByteInput bytes = {};
  if (way == Way::pairs) pairs = avx512::pairs_of(exec, args, shared);
  if (way == Way::planes) planes = avx512::vnni_quantize(exec, args, shared);
  if (way == Way::bytes) bytes = avx512::bytes_quantize(exec, args, shared);
  shared += input_bytes(way, args.m, args.k);
  if (way == Way::planes && args.m <= avx512::kFreeRows) {
    return multiply_few_rows(
        exec, args, shared,
        [&](const PackedWeight& weight, int panel, int count, const uint8_t* next, float* sums) {
          avx512::multiply_panels_vnni(planes, weight, panel, count, next, sums);
        });
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
      switch (way) {
        case Way::f32:
          return avx512::multiply_panel_f32(args, weight, panel, decoded, to);
        case Way::pairs:
          return avx512::multiply_panel_pairs(pairs, weight, panel, to);
        case Way::planes:
          return avx512::multiply_panel_vnni(planes, weight, panel, to);
        case Way::bytes:
          return avx512::multiply_panel_bytes(bytes, weight, panel, to);
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
  const Way way = way_of(exec, args);
  const int rows = block_rows(way, args);
  return input_bytes(way, rows, args.k) +
         thread_bytes(rows) * static_cast<size_t>(exec.num_threads) + shares_bytes(exec);
}

void gemm(const ExecView& exec, const GemmArgs& args) {
  const Way way = way_of(exec, args);
  for_row_blocks(args, block_rows(way, args),
                 [&](const GemmArgs& rows) { multiply_rows(exec, rows, way); });
}

}  // namespace avx512
}  // namespace millrace::kernels
