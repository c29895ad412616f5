// Attention: sequences with many new tokens on tiles, the others as avx512 does them.
#pragma once

#include "kernels/kernels.h"

namespace millrace::kernels::amx {

std::size_t attention_scratch(const ExecView& exec, const AttentionArgs& args);
void attention(const ExecView& exec, const AttentionArgs& args);

}  // namespace millrace::kernels::amx
