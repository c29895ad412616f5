// Attention over bf16 KV on tiles: prompts (attention.cc), and a few rows of a sequence
// (attention_few.cc). The rest as avx512 does it.
#pragma once

#include "kernels/kernels.h"

namespace millrace::kernels::amx {

std::size_t attention_scratch(const ExecView& exec, const AttentionArgs& args);
void attention(const ExecView& exec, const AttentionArgs& args);

// Sequences with few new tokens; KV is bf16 and head_dim a multiple of 32.
std::size_t few_attention_scratch(const ExecView& exec, const AttentionArgs& args);
void few_attention(const ExecView& exec, const AttentionArgs& args);

}  // namespace millrace::kernels::amx
