// The two ways this machine multiplies one panel, chosen in gemm.cc.
#pragma once

#include "kernels/avx512/panel.h"

namespace millrace::kernels::avx512 {

// f32: sums[m][16] = x·Wᵀ for one panel. Every output is one chain of fused multiply-adds in the
// order of k, so it depends on its own row of x alone. `tiles` is [256][16] f32 of scratch.
void multiply_panel_f32(const GemmArgs& args, const PackedWeight& weight, int panel, float* tiles,
                        float* sums);

// 16-bit activations in two byte planes (quantize.h), at most kVnniRows rows.
constexpr int kVnniRows = 4;
struct VnniInput {
  const std::int8_t* high[kVnniRows];  // [padded_k]
  const std::int8_t* low[kVnniRows];
  const float* sums16[kVnniRows];  // [padded_k / 16]
  const float* sums32[kVnniRows];  // [padded_k / 32]
  float scale[kVnniRows];
};
std::size_t vnni_scratch(int m, int k);
// Fills the scratch from args.x.
VnniInput vnni_quantize(const GemmArgs& args, void* scratch);
bool vnni_can(DType kind);
void multiply_panel_vnni(const VnniInput& x, int m, const PackedWeight& weight, int panel,
                         float* sums);

}  // namespace millrace::kernels::avx512
