#include "kernels/ops.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace millrace::kernels {
namespace {

bool is_gated(Epilogue epilogue) {
  return epilogue == Epilogue::silu_mul || epilogue == Epilogue::gelu_tanh_mul;
}

void check_kv(const KvShape& shape) {
  MILLRACE_CHECK(shape.block_tokens > 0 && shape.block_tokens % 16 == 0);
  MILLRACE_CHECK(shape.kv_heads > 0 && shape.head_dim > 0);
}

bool is_wanted(const Operand& operand) {
  MILLRACE_CHECK((operand.form != 0) == (operand.data != nullptr));
  MILLRACE_CHECK(reinterpret_cast<std::uintptr_t>(operand.data) % 64 == 0);
  return operand.form != 0;
}

void check_norm(const NormArgs& args) {
  MILLRACE_CHECK(args.x != nullptr && args.weight != nullptr);
  MILLRACE_CHECK(args.rows >= 0 && args.width > 0 && args.x_stride >= args.width);
  if (is_wanted(args.out_operand)) return;
  MILLRACE_CHECK(args.out != nullptr && args.out_stride >= args.width);
}

// Elements that share a scale (PackedWeight::group).
int group_of(DType kind, int k) {
  switch (kind) {
    case DType::i8:
      return k;
    case DType::q6_k:
      return 16;
    case DType::q4_g64:
      return 64;
    case DType::q4_g128:
      return 128;
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return 0;
    default:
      return 32;
  }
}

}  // namespace

void gemm(Ops& ops, const GemmArgs& args) {
  MILLRACE_CHECK(args.m >= 0 && args.k > 0);
  const bool reads_operand = is_wanted(args.x_operand),
             writes_operand = is_wanted(args.out_operand);
  MILLRACE_CHECK(reads_operand || args.x_stride >= args.k);
  MILLRACE_CHECK(args.num_parts >= 1 && args.num_parts <= 4);
  const bool gated = is_gated(args.epilogue);
  MILLRACE_CHECK(!gated || (args.num_parts == 2 && args.parts[1].weight != nullptr));
  for (int i = 0; i < args.num_parts; ++i) {
    const GemmPart& part = args.parts[i];
    MILLRACE_CHECK(part.weight != nullptr && part.weight->data != nullptr);
    MILLRACE_CHECK(part.weight->k == args.k);
    if (gated && i == 1) {
      MILLRACE_CHECK(part.weight->n == args.parts[0].weight->n);
    } else {
      MILLRACE_CHECK(writes_operand || (part.out != nullptr && part.out_stride >= part.weight->n));
    }
  }
  if (args.m == 0) return;
  MILLRACE_CHECK(reads_operand || args.x != nullptr);
  if (reads_operand || writes_operand) {
    const int form = operand_form(ops, args);
    MILLRACE_CHECK(form != 0 && (!reads_operand || form == args.x_operand.form));
  }
  if (writes_operand) MILLRACE_CHECK(args.num_parts == (gated ? 2 : 1) && !args.accumulate);
  const ExecView& view = ops.exec.view(ops.table.gemm_scratch(ops.exec.view(0), args));
  ops.table.gemm(view, args);
}

int operand_form(Ops& ops, const GemmArgs& args) {
  return ops.table.operand_form ? ops.table.operand_form(ops.exec.view(0), args) : 0;
}

std::size_t operand_bytes(const Kernels& table, int rows, int width) {
  return table.operand_bytes ? table.operand_bytes(rows, width) : 0;
}

void gather_rows(Ops& ops, const GatherRowsArgs& args) {
  MILLRACE_CHECK(args.weight != nullptr && args.weight->data != nullptr);
  MILLRACE_CHECK(args.out_stride >= args.weight->k);
  for (int i = 0; i < args.count; ++i) {
    MILLRACE_CHECK(args.ids[i] >= 0 && args.ids[i] < args.weight->n);
  }
  if (args.count > 0) ops.table.gather_rows(ops.exec.view(0), args);
}

void rms_norm(Ops& ops, const NormArgs& args) {
  check_norm(args);
  MILLRACE_CHECK(args.bias == nullptr);
  if (args.rows > 0) ops.table.rms_norm(ops.exec.view(0), args);
}

void layer_norm(Ops& ops, const NormArgs& args) {
  check_norm(args);
  if (args.rows > 0) ops.table.layer_norm(ops.exec.view(0), args);
}

void rope(Ops& ops, const RopeArgs& args) {
  MILLRACE_CHECK(args.tokens >= 0 && args.heads > 0 && args.head_dim > 0);
  MILLRACE_CHECK(args.rotary_dim > 0 && args.rotary_dim % 2 == 0);
  MILLRACE_CHECK(args.rotary_dim <= args.head_dim);
  MILLRACE_CHECK(args.x_stride >= std::int64_t{args.heads} * args.head_dim);
  if (args.tokens > 0) ops.table.rope(ops.exec.view(0), args);
}

void add_rows(Ops& ops, const AddRowsArgs& args) {
  MILLRACE_CHECK(args.rows >= 0 && args.width > 0);
  if (args.rows > 0) ops.table.add_rows(ops.exec.view(0), args);
}

void kv_store(Ops& ops, const KvStoreArgs& args) {
  check_kv(args.shape);
  const std::int64_t width = std::int64_t{args.shape.kv_heads} * args.shape.head_dim;
  MILLRACE_CHECK(args.tokens >= 0 && args.k_stride >= width && args.v_stride >= width);
  for (int i = 0; i < args.tokens; ++i) MILLRACE_CHECK(args.slots[i] >= 0);
  if (args.tokens > 0) ops.table.kv_store(ops.exec.view(0), args);
}

void attention(Ops& ops, const AttentionArgs& args) {
  check_kv(args.shape);
  MILLRACE_CHECK(args.heads > 0 && args.heads % args.shape.kv_heads == 0);
  const std::int64_t width = std::int64_t{args.heads} * args.shape.head_dim;
  MILLRACE_CHECK(args.q_stride >= width && args.out_stride >= width);
  MILLRACE_CHECK(args.num_seqs >= 0 && args.window >= 0 && args.soft_cap >= 0);
  for (int s = 0; s < args.num_seqs; ++s) {
    const int num_queries = args.query_start[s + 1] - args.query_start[s];
    MILLRACE_CHECK(num_queries >= 0 && num_queries <= args.context_len[s]);
    MILLRACE_CHECK(args.context_len[s] <=
                   std::int64_t{args.block_table_stride} * args.shape.block_tokens);
  }
  if (args.num_seqs == 0 || args.query_start[args.num_seqs] == args.query_start[0]) return;
  const ExecView& view = ops.exec.view(ops.table.attention_scratch(ops.exec.view(0), args));
  ops.table.attention(view, args);
}

void row_stats(Ops& ops, const RowStatsArgs& args) {
  MILLRACE_CHECK(args.rows >= 0 && args.width > 0 && args.x_stride >= args.width);
  if (args.rows > 0) ops.table.row_stats(ops.exec.view(0), args);
}

Weight::Weight(Ops& ops, const PackArgs& args, Slab* slab) {
  MILLRACE_CHECK(args.n > 0 && args.k > 0 && args.source != nullptr);
  MILLRACE_CHECK(!args.transposed || dtype_block_elements(args.kind) == 1);
  MILLRACE_CHECK((args.kind == DType::i8) == (args.scales != nullptr));
  const std::size_t bytes = ops.table.packed_bytes(args.kind, args.n, args.k);
  MILLRACE_CHECK(bytes > 0);
  memory_ = slab != nullptr ? slab->take(bytes) : Buffer(bytes);
  packed_ = {.kind = args.kind,
             .n = args.n,
             .k = args.k,
             .group = group_of(args.kind, args.k),
             .data = memory_.data(),
             .bytes = bytes};

  // A few pieces a thread, each a whole number of the table's row tiles.
  const int multiple = ops.table.pack_row_multiple;
  const int tiles = (args.n + multiple - 1) / multiple;
  const int pieces = std::min(tiles, 4 * ops.exec.num_threads());
  struct Job {
    const Kernels& table;
    const PackArgs& args;
    PackedWeight* out;
    int tiles, pieces;
  } job = {ops.table, args, &packed_, tiles, pieces};
  const ExecView& view = ops.exec.view(0);
  view.parallel(
      view.pool, pieces,
      [](void* context, int piece, int) {
        const Job& j = *static_cast<Job*>(context);
        const auto first_row_of = [&j](int p) {
          const std::int64_t row = std::int64_t{j.tiles} * p / j.pieces * j.table.pack_row_multiple;
          return static_cast<int>(std::min<std::int64_t>(row, j.args.n));
        };
        PackArgs part = j.args;
        part.first_row = first_row_of(piece);
        part.num_rows = first_row_of(piece + 1) - part.first_row;
        j.table.pack_weight(part, j.out);
      },
      &job);
}

}  // namespace millrace::kernels
