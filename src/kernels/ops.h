// What models call: each op checks shapes once (a violation is our bug: CHECK), sizes the scratch,
// then makes one indirect call through the table. `rms_norm(ops, {.x = …, .weight = …})`.
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "tensor/buffer.h"
#include "tensor/exec.h"
#include "tensor/slab.h"

namespace millrace::kernels {

// The table and the Exec of one engine thread. Borrows both.
struct Ops {
  const Kernels& table;
  Exec& exec;
};

void gemm(Ops& ops, const GemmArgs& args);
// 0 where the product reads f32 anyway.
int operand_form(Ops& ops, const GemmArgs& args);
std::size_t operand_bytes(const Kernels& table, int rows, int width);
void gather_rows(Ops& ops, const GatherRowsArgs& args);
void rms_norm(Ops& ops, const NormArgs& args);
void layer_norm(Ops& ops, const NormArgs& args);
void rope(Ops& ops, const RopeArgs& args);
void add_rows(Ops& ops, const AddRowsArgs& args);
void kv_store(Ops& ops, const KvStoreArgs& args);
void attention(Ops& ops, const AttentionArgs& args);
void row_stats(Ops& ops, const RowStatsArgs& args);

// Owns one packed weight. `source` is read row by row and may be released afterwards.
class Weight {
 public:
  Weight() = default;
  // Packs on the Exec's threads, into memory of its own or of `slab`. CHECKs that the table can
  // hold args.kind.
  Weight(Ops& ops, const PackArgs& args, Slab* slab = nullptr);
  const PackedWeight& packed() const { return packed_; }
  bool empty() const { return packed_.data == nullptr; }

 private:
  Buffer memory_;
  PackedWeight packed_{};
};

}  // namespace millrace::kernels
