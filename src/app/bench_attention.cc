#include "app/bench_attention.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>

#include "tensor/buffer.h"

namespace millrace::app {
namespace {

constexpr int kBlockTokens = 16;
constexpr std::size_t kPastCaches = std::size_t{160} << 20, kMostBytes = std::size_t{4} << 30;

std::vector<float> normals(std::size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Blocks that all hold the same tokens, handed out in no order, as after hours of serving.
class KvBlocks {
 public:
  KvBlocks(kernels::Ops& ops, const kernels::KvShape& shape, std::size_t count)
      : memory_(ops.table.kv_block_bytes(shape) * count), table_(count) {
    const int width = shape.kv_heads * shape.head_dim;
    const std::vector<float> tokens = normals(static_cast<std::size_t>(shape.block_tokens * width));
    std::vector<std::int32_t> slots(static_cast<std::size_t>(shape.block_tokens));
    std::iota(slots.begin(), slots.end(), 0);
    kernels::kv_store(ops, {.shape = shape,
                            .k = tokens.data(),
                            .v = tokens.data(),
                            .k_stride = width,
                            .v_stride = width,
                            .tokens = shape.block_tokens,
                            .slots = slots.data(),
                            .layer_kv = memory_.data()});
    const std::size_t block = ops.table.kv_block_bytes(shape);
    for (std::size_t i = 1; i < count; ++i) {
      std::memcpy(memory_.data() + i * block, memory_.data(), block);
    }
    std::iota(table_.begin(), table_.end(), 0);
    std::shuffle(table_.begin(), table_.end(), std::mt19937(2));
  }

  const void* memory() const { return memory_.data(); }
  const std::int32_t* table() const { return table_.data(); }

 private:
  Buffer memory_;
  std::vector<std::int32_t> table_;
};

const char* name_of(kernels::KvKind kind) {
  return kind == kernels::KvKind::f32 ? "f32" : kind == kernels::KvKind::bf16 ? "bf16" : "i8";
}

// K and V of one position in all heads, with the scales of i8.
double position_bytes(const kernels::KvShape& shape) {
  const double elements = 2.0 * shape.kv_heads * shape.head_dim;
  if (shape.kind == kernels::KvKind::f32) return 4 * elements;
  if (shape.kind == kernels::KvKind::bf16) return 2 * elements;
  return elements + 8.0 * shape.kv_heads;
}

}  // namespace

std::optional<KernelRow> measure_attention(kernels::Ops& ops, const AttentionHeads& heads,
                                           kernels::KvKind kind, int batch, int context,
                                           double seconds) {
  const kernels::KvShape shape = {kind, kBlockTokens, heads.kv_heads, heads.head_dim};
  const int blocks_each = (context + kBlockTokens - 1) / kBlockTokens;
  const auto blocks = static_cast<std::size_t>(blocks_each) * static_cast<std::size_t>(batch);
  const std::size_t bytes = ops.table.kv_block_bytes(shape) * blocks;
  if (bytes > kMostBytes) return std::nullopt;
  const std::size_t copies = kPastCaches / bytes + 1;
  const KvBlocks kv(ops, shape, blocks * copies);

  const int width = heads.heads * heads.head_dim;
  const std::vector<float> q = normals(static_cast<std::size_t>(batch * width));
  std::vector<float> out(q.size());
  std::vector<std::int32_t> starts(static_cast<std::size_t>(batch) + 1);
  std::iota(starts.begin(), starts.end(), 0);
  const std::vector<std::int32_t> contexts(static_cast<std::size_t>(batch), context);
  std::size_t at = 0;
  KernelRow row{.op = "attention", .kind = name_of(kind), .m = batch, .n = context, .k = width};
  row.seconds = median_seconds(seconds, [&] {
    kernels::attention(ops, {.shape = shape,
                             .q = q.data(),
                             .q_stride = width,
                             .out = out.data(),
                             .out_stride = width,
                             .layer_kv = kv.memory(),
                             .num_seqs = batch,
                             .query_start = starts.data(),
                             .context_len = contexts.data(),
                             .block_table = kv.table() + at++ % copies * blocks,
                             .block_table_stride = blocks_each,
                             .heads = heads.heads,
                             .scale = 1.0f / std::sqrt(static_cast<float>(heads.head_dim)),
                             .soft_cap = 0,
                             .window = 0});
  });
  const double positions = static_cast<double>(batch) * context;
  row.bytes_per_second = positions * position_bytes(shape) / row.seconds;
  row.flops = 4 * positions * width / row.seconds;
  return row;
}

}  // namespace millrace::app
