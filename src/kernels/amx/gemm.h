// The ways this machine multiplies, chosen in gemm.cc. Each handles all of args in one call.
#pragma once

#include "kernels/kernels.h"

namespace millrace::kernels::amx {

// bf16 tiles: x and W are rounded to bf16, sums are f32. For many rows.
std::size_t tiles_scratch(const ExecView& exec, const GemmArgs& args);
void multiply_tiles(const ExecView& exec, const GemmArgs& args);
int tiles_form(const GemmArgs& args);  // of the operand (operand.h) that it reads; 0: f32

// The same for some rows, kStreamRows at most: weights are widened while others are multiplied.
constexpr int kStreamRows = 64;
std::size_t stream_scratch(const ExecView& exec, const GemmArgs& args);
void multiply_stream(const ExecView& exec, const GemmArgs& args);

// int8 tiles: x as bytes, one scale for kBytesBlock k of a row. For many rows of kind i8 in
// Precision::fast.
constexpr int kBytesBlock = 256;
std::size_t bytes_scratch(const ExecView& exec, const GemmArgs& args);
void multiply_bytes(const ExecView& exec, const GemmArgs& args);

// Weights as they are, 16-bit activations. At most kFewRows rows, of kinds that few_can says.
constexpr int kFewRows = 4;
bool few_can(DType kind);
std::size_t few_scratch(const ExecView& exec, const GemmArgs& args);
void multiply_few(const ExecView& exec, const GemmArgs& args);

std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args);
void gemm(const ExecView& exec, const GemmArgs& args);
int operand_form(const ExecView& exec, const GemmArgs& args);
std::size_t operand_bytes(int rows, int width);

}  // namespace millrace::kernels::amx
