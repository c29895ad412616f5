// The ways this machine multiplies one panel, chosen in gemm.cc.
#pragma once

#include "kernels/avx512/panel.h"

namespace millrace::kernels::avx512 {

// f32: sums[m][16] = x·Wᵀ for one panel. Every output is one chain of fused multiply-adds in the
// order of k, so it depends on its own row of x alone. `tiles` is [256][16] f32 of scratch.
void multiply_panel_f32(const GemmArgs& args, const PackedWeight& weight, int panel, float* tiles,
                        float* sums);

// The same bits for up to kFewRows rows and plain kinds (f32, f16, bf16), kSideBySide panels from
// `panel` on at once: their chains run side by side. Memory is asked for the panels at `next` when
// these end. sums: [count][m][16].
constexpr int kFewRows = 4, kSideBySide = 4;
void multiply_panels_few(const GemmArgs& args, const PackedWeight& weight, int panel, int count,
                         const std::uint8_t* next, float* sums);

// 16-bit activations in two byte planes (quantize.h), for any number of rows. A row's result is the
// same bits in any batch. Rows go in groups of vnni_group(rows left): 8, 4, 2 or 1; those that a
// group has too many are zero.
struct VnniInput {
  int rows;
  int k;                      // padded_k
  const std::int8_t* planes;  // a group: [k/4][group][2][4]: four k of the high plane, then the low
  const float* sums;          // a row: [k/16] of 16-groups, [k/32] of 32-groups, [1] of all
  const std::int32_t* offsets;  // -128 times those, in the same places, but that of all
  const float* scales;          // a row's
};
constexpr int vnni_group(int rows_left) {
  return rows_left > 4 ? 8 : rows_left > 2 ? 4 : rows_left;
}
constexpr int vnni_padded_rows(int rows) {
  return rows / 8 * 8 + vnni_group(rows % 8);
}
// Rows of x to take at a time, so that their planes stay in the second cache.
int vnni_block_rows(int k);
std::size_t vnni_scratch(int m, int k);
// Fills the scratch from args.x, on all threads.
VnniInput vnni_quantize(const ExecView& exec, const GemmArgs& args, void* scratch);
bool vnni_can(DType kind);
// sums: [vnni_padded_rows][16].
void multiply_panel_vnni(const VnniInput& x, const PackedWeight& weight, int panel, float* sums);
// The same bits for up to kFreeRows rows, kSideBySide panels from `panel` on at once. sums:
// [count][rows][16].
constexpr int kFreeRows = 2;  // 16-bit activations cost them no time: the way from memory does
void multiply_panels_vnni(const VnniInput& x, const PackedWeight& weight, int panel, int count,
                          const std::uint8_t* next, float* sums);

// The same with 8-bit activations, one scale for 32 of them (Precision::fast): half of the
// multiply-adds. Groups of rows as above.
struct ByteInput {
  int rows;
  int k;                     // padded_k
  const std::int8_t* bytes;  // a group: [k/4][group][4]
  const float* scales;       // a row: [k/32]
  const float* sums;         // a row: [k/16] of 16-groups, [k/32] of 32-groups, of scale · byte
};
std::size_t bytes_scratch(int m, int k);
ByteInput bytes_quantize(const ExecView& exec, const GemmArgs& args, void* scratch);
void multiply_panel_bytes(const ByteInput& x, const PackedWeight& weight, int panel, float* sums);

// x rounded to bf16, for bf16 weights only. Groups of rows as above.
struct PairInput {
  int rows;
  int k;                       // padded_k
  const std::uint32_t* pairs;  // a group: [k/2][group]: k 2i in the low half
};
// Whether this machine has the instruction and it is faster than two f32 multiply-adds (AMD's is,
// Intel's is not).
bool pairs_pay();
std::size_t pairs_scratch(int m, int k);
PairInput pairs_of(const ExecView& exec, const GemmArgs& args, void* scratch);
void multiply_panel_pairs(const PairInput& x, const PackedWeight& weight, int panel, float* sums);

}  // namespace millrace::kernels::avx512
