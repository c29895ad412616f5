// The NEON ops, for table.cc.
#pragma once

#include "kernels/kernels.h"

namespace millrace::kernels::neon {

std::size_t packed_bytes(DType kind, int n, int k);
void pack_weight(const PackArgs& args, PackedWeight* out);
std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args);
void gemm(const ExecView& exec, const GemmArgs& args);
void gather_rows(const ExecView& exec, const GatherRowsArgs& args);
void rms_norm(const ExecView& exec, const NormArgs& args);
void layer_norm(const ExecView& exec, const NormArgs& args);
void rope(const ExecView& exec, const RopeArgs& args);
void add_rows(const ExecView& exec, const AddRowsArgs& args);
std::size_t kv_block_bytes(const KvShape& shape);
void kv_store(const ExecView& exec, const KvStoreArgs& args);
std::size_t attention_scratch(const ExecView& exec, const AttentionArgs& args);
void attention(const ExecView& exec, const AttentionArgs& args);
void row_stats(const ExecView& exec, const RowStatsArgs& args);

}  // namespace millrace::kernels::neon
