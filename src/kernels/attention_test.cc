// Paged KV and attention of every runnable table against a softmax in f64 over the same positions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/testing.h"

namespace millrace::kernels {
namespace {

using testing::EveryTable;
using testing::kPoison;
using testing::Matrix;
using testing::Rig;

class Attention : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Kernels, Attention, ::testing::ValuesIn(runnable_kernels()),
                         testing::table_name);

struct Seq {
  int context, queries;
};

struct Setup {
  KvShape shape;
  int heads = 1;
  float soft_cap = 0;
  int window = 0;
  std::vector<Seq> seqs;
};

// A vector as the KV kind keeps it.
void round_to_kind(KvKind kind, float* v, int width) {
  if (kind == KvKind::f32) return;
  if (kind == KvKind::bf16) {
    for (int i = 0; i < width; ++i) {
      v[i] = reference::bf16_to_f32(reference::f32_to_bf16(v[i]));
    }
    return;
  }
  float largest = 0;
  for (int i = 0; i < width; ++i) largest = std::max(largest, std::fabs(v[i]));
  const float scale = largest / 127;
  for (int i = 0; i < width; ++i) v[i] = scale * std::nearbyint(v[i] / scale);
}

// Sequences with their K, V and queries, and KV memory whose unused places are poison.
struct World {
  World(const Kernels& table, const Setup& with) : setup(with) {
    const KvShape& shape = setup.shape;
    int blocks_each = 0, num_blocks = 0;
    for (const Seq& seq : setup.seqs) {
      const int blocks = (seq.context + shape.block_tokens - 1) / shape.block_tokens;
      blocks_each = std::max(blocks_each, blocks);
      num_blocks += blocks;
    }
    table_stride = blocks_each + 1;
    std::vector<std::int32_t> order(static_cast<std::size_t>(num_blocks));
    std::iota(order.begin(), order.end(), 0);
    std::mt19937 shuffler(4);
    std::shuffle(order.begin(), order.end(), shuffler);
    block_table.assign(setup.seqs.size() * static_cast<std::size_t>(table_stride), 0);
    query_start = {0};
    std::size_t next = 0;
    for (std::size_t s = 0; s < setup.seqs.size(); ++s) {
      const int blocks = (setup.seqs[s].context + shape.block_tokens - 1) / shape.block_tokens;
      for (int b = 0; b < blocks; ++b) {
        block_table[s * static_cast<std::size_t>(table_stride) + static_cast<std::size_t>(b)] =
            order[next++];
      }
      context_len.push_back(setup.seqs[s].context);
      query_start.push_back(query_start.back() + setup.seqs[s].queries);
      const int width = shape.kv_heads * shape.head_dim;
      const auto seed = static_cast<std::uint32_t>(2 * s);
      keys.push_back(Matrix::random(setup.seqs[s].context, width, 7, seed + 1000));
      values.push_back(Matrix::random(setup.seqs[s].context, width, 7, seed + 1001));
    }
    q = Matrix::random(query_start.back(), setup.heads * shape.head_dim, 5, 77);
    memory = Buffer(table.kv_block_bytes(shape) * static_cast<std::size_t>(num_blocks));
    // Stale memory of an earlier sequence may hold anything, NaN too.
    std::fill_n(memory.data(), memory.size(), std::byte{0xff});
  }

  void store(Rig& rig) {
    for (std::size_t s = 0; s < setup.seqs.size(); ++s) {
      std::vector<std::int32_t> slots;
      for (int p = 0; p < setup.seqs[s].context; ++p) {
        const auto block = s * static_cast<std::size_t>(table_stride) +
                           static_cast<std::size_t>(p / setup.shape.block_tokens);
        slots.push_back(block_table[block] * setup.shape.block_tokens +
                        p % setup.shape.block_tokens);
      }
      // In two calls, as a prefill in chunks does.
      const int half = setup.seqs[s].context / 2;
      for (const auto& [begin, end] : {std::pair{0, half}, {half, setup.seqs[s].context}}) {
        kv_store(rig.ops, {.shape = setup.shape,
                           .k = keys[s].row(begin),
                           .v = values[s].row(begin),
                           .k_stride = keys[s].stride,
                           .v_stride = values[s].stride,
                           .tokens = end - begin,
                           .slots = slots.data() + begin,
                           .layer_kv = memory.data()});
      }
    }
  }

  Matrix attend(Rig& rig) {
    Matrix out(q.rows, q.width, 3, kPoison);
    attention(rig.ops, {.shape = setup.shape,
                        .q = q.values.data(),
                        .q_stride = q.stride,
                        .out = out.values.data(),
                        .out_stride = out.stride,
                        .layer_kv = memory.data(),
                        .num_seqs = static_cast<int>(setup.seqs.size()),
                        .query_start = query_start.data(),
                        .context_len = context_len.data(),
                        .block_table = block_table.data(),
                        .block_table_stride = table_stride,
                        .heads = setup.heads,
                        .scale = scale(),
                        .soft_cap = setup.soft_cap,
                        .window = setup.window});
    return out;
  }

  // Sequence s alone, row r of its queries alone: decode as a batch of one.
  Matrix attend_alone(Rig& rig, std::size_t s, int r) {
    Matrix out(1, q.width, 3, kPoison);
    const std::int32_t starts[] = {0, 1};
    const std::int32_t context = context_len[s] - setup.seqs[s].queries + r + 1;
    attention(rig.ops,
              {.shape = setup.shape,
               .q = q.row(query_start[s] + r),
               .q_stride = q.stride,
               .out = out.values.data(),
               .out_stride = out.stride,
               .layer_kv = memory.data(),
               .num_seqs = 1,
               .query_start = starts,
               .context_len = &context,
               .block_table = block_table.data() + s * static_cast<std::size_t>(table_stride),
               .block_table_stride = table_stride,
               .heads = setup.heads,
               .scale = scale(),
               .soft_cap = setup.soft_cap,
               .window = setup.window});
    return out;
  }

  float scale() const { return 1.0f / std::sqrt(static_cast<float>(setup.shape.head_dim)); }

  Setup setup;
  int table_stride = 0;
  std::vector<std::int32_t> block_table, query_start, context_len;
  std::vector<Matrix> keys, values;
  Matrix q{0, 1, 0, 0};
  Buffer memory;
};

// The definition, in f64.
std::vector<double> exact_row(const World& world, std::size_t s, int r, int head) {
  const Setup& setup = world.setup;
  const int width = setup.shape.head_dim;
  const int at = head / (setup.heads / setup.shape.kv_heads) * width;
  const int last = setup.seqs[s].context - setup.seqs[s].queries + r;
  const float* q = world.q.row(world.query_start[s] + r) + head * width;
  std::vector<double> out(static_cast<std::size_t>(width), 0.0);
  std::vector<float> vector(static_cast<std::size_t>(width));
  double total = 0;
  for (int p = 0; p <= last; ++p) {
    if (setup.window > 0 && p <= last - setup.window) continue;
    std::copy_n(world.keys[s].row(p) + at, width, vector.begin());
    round_to_kind(setup.shape.kind, vector.data(), width);
    double score = 0;
    for (int i = 0; i < width; ++i) {
      score += static_cast<double>(q[i]) * vector[static_cast<std::size_t>(i)];
    }
    score *= world.scale();
    if (setup.soft_cap > 0) score = setup.soft_cap * std::tanh(score / setup.soft_cap);
    const double weight = std::exp(score);  // scores are a few units: no overflow in f64
    total += weight;
    std::copy_n(world.values[s].row(p) + at, width, vector.begin());
    round_to_kind(setup.shape.kind, vector.data(), width);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += weight * vector[i];
  }
  for (double& value : out) value /= total;
  return out;
}

// Values are normal, so outputs are at most a few units. i8: a tie that rounds the other way moves
// an element by 1/127 of the largest.
double allowed_error(Precision precision, KvKind kind) {
  if (precision != Precision::exact) return 2e-2;
  return kind == KvKind::i8 ? 3e-3 : 1e-5;
}

void check(const Kernels& table, const Setup& setup, Precision precision) {
  SCOPED_TRACE(::testing::Message()
               << table.name << " kind " << static_cast<int>(setup.shape.kind) << " heads "
               << setup.heads << "/" << setup.shape.kv_heads << " head_dim " << setup.shape.head_dim
               << " block " << setup.shape.block_tokens << " window " << setup.window << " cap "
               << setup.soft_cap << " precision " << static_cast<int>(precision));
  Rig one(table, precision, 1);
  World world(table, setup);
  world.store(one);
  const Matrix out = world.attend(one);
  ASSERT_TRUE(out.canaries_intact());
  const double allowed = allowed_error(precision, setup.shape.kind);
  for (std::size_t s = 0; s < setup.seqs.size(); ++s) {
    for (int r = 0; r < setup.seqs[s].queries; ++r) {
      for (int head = 0; head < setup.heads; ++head) {
        const std::vector<double> want = exact_row(world, s, r, head);
        for (int i = 0; i < setup.shape.head_dim; ++i) {
          const float got = out.at(world.query_start[s] + r, head * setup.shape.head_dim + i);
          ASSERT_NEAR(got, want[static_cast<std::size_t>(i)], allowed)
              << "sequence " << s << " row " << r << " head " << head << " element " << i;
        }
      }
    }
  }

  Rig three(table, precision, 3);
  World again(table, setup);
  again.store(three);
  for (const int threads : {2, 3, 7}) {
    Rig several(table, precision, threads);
    const Matrix same = again.attend(several);
    ASSERT_EQ(std::memcmp(out.values.data(), same.values.data(), sizeof(float) * out.values.size()),
              0)
        << "the result depends on the number of threads: " << threads;
  }
  if (precision != Precision::exact) return;
  for (std::size_t s = 0; s < setup.seqs.size(); ++s) {
    for (int r = 0; r < setup.seqs[s].queries; r += 7) {
      const Matrix alone = world.attend_alone(one, s, r);
      ASSERT_TRUE(testing::same_bits(alone.row(0), out.row(world.query_start[s] + r), out.width))
          << "sequence " << s << " row " << r << " differs from the row alone";
    }
  }
}

const std::vector<Seq> kRagged = {{1, 1},  {17, 1},  {200, 1}, {33, 33}, {75, 20},
                                  {16, 0}, {64, 17}, {5, 5},   {300, 2}};
constexpr KvKind kKinds[] = {KvKind::f32, KvKind::bf16, KvKind::i8};
constexpr Precision kPrecisions[] = {Precision::exact, Precision::standard};

TEST_P(Attention, RaggedBatches) {
  for (const KvKind kind : kKinds) {
    for (const Precision precision : kPrecisions) {
      for (const int block_tokens : {16, 32, 64}) {
        check(table(), {.shape = {kind, block_tokens, 3, 64}, .heads = 9, .seqs = kRagged},
              precision);
      }
    }
  }
}

TEST_P(Attention, HeadShapes) {
  const std::vector<Seq> seqs = {{40, 1}, {23, 23}, {90, 9}};
  struct Heads {
    int heads, kv_heads, head_dim;
  };
  for (const Heads& h : {Heads{1, 1, 64}, Heads{4, 4, 32}, Heads{8, 2, 128}, Heads{8, 1, 80},
                         Heads{16, 1, 96}, Heads{6, 3, 40}, Heads{2, 1, 256}, Heads{3, 1, 20}}) {
    for (const KvKind kind : kKinds) {
      for (const Precision precision : kPrecisions) {
        check(table(),
              {.shape = {kind, 16, h.kv_heads, h.head_dim}, .heads = h.heads, .seqs = seqs},
              precision);
      }
    }
  }
}

TEST_P(Attention, WindowAndSoftCap) {
  for (const KvKind kind : kKinds) {
    for (const Precision precision : kPrecisions) {
      for (const int window : {1, 16, 50}) {
        check(table(), {.shape = {kind, 16, 2, 64}, .heads = 4, .window = window, .seqs = kRagged},
              precision);
      }
      check(table(), {.shape = {kind, 16, 2, 64}, .heads = 4, .soft_cap = 1.5f, .seqs = kRagged},
            precision);
      check(table(),
            {.shape = {kind, 32, 1, 64}, .heads = 4, .soft_cap = 3, .window = 20, .seqs = kRagged},
            precision);
    }
  }
}

// Contexts of several chunks (attention_plan.h): whole ones, one position more, one less.
const std::vector<Seq> kLong = {{256, 1}, {257, 1}, {511, 2}, {512, 1}, {513, 3}, {1100, 1}};

TEST_P(Attention, LongContexts) {
  struct Heads {
    int heads, kv_heads;
  };
  for (const Heads& h : {Heads{14, 2}, Heads{4, 1}, Heads{6, 2}, Heads{2, 2}}) {
    for (const KvKind kind : kKinds) {
      check(table(), {.shape = {kind, 32, h.kv_heads, 64}, .heads = h.heads, .seqs = kLong},
            Precision::exact);
    }
  }
  // More heads to a KV head than a task takes rows, widths that are no whole vectors, blocks that
  // do not divide a chunk.
  for (const KvKind kind : kKinds) {
    check(table(), {.shape = {kind, 48, 1, 40}, .heads = 37, .seqs = {{600, 1}, {259, 2}}},
          Precision::exact);
    check(table(), {.shape = {kind, 16, 2, 80}, .heads = 10, .seqs = {{770, 4}}}, Precision::exact);
    check(table(), {.shape = {kind, 64, 2, 128}, .heads = 8, .seqs = kLong}, Precision::standard);
  }
}

TEST_P(Attention, WindowOverChunks) {
  for (const KvKind kind : kKinds) {
    for (const int window : {1, 255, 256, 257, 300, 700}) {
      check(table(), {.shape = {kind, 16, 2, 64}, .heads = 6, .window = window, .seqs = kLong},
            Precision::exact);
    }
    check(
        table(),
        {.shape = {kind, 32, 1, 64}, .heads = 7, .soft_cap = 2, .window = 290, .seqs = {{820, 40}}},
        Precision::exact);
    check(table(), {.shape = {kind, 16, 2, 32}, .heads = 4, .soft_cap = 1.5f, .seqs = kLong},
          Precision::exact);
  }
}

// The longest is split among threads, the others are not.
TEST_P(Attention, SequencesOfVeryDifferentLength) {
  const std::vector<Seq> seqs = {{3000, 1}, {1, 1},     {3, 3},   {256, 1}, {40, 0},
                                 {700, 5},  {300, 260}, {16, 16}, {257, 2}, {90, 1}};
  for (const KvKind kind : kKinds) {
    check(table(), {.shape = {kind, 16, 1, 32}, .heads = 3, .seqs = seqs}, Precision::exact);
  }
}

// A long context with one key that matters: the running maximum must hold.
TEST_P(Attention, LargeScoresDoNotOverflow) {
  for (const Precision precision : kPrecisions) {
    Rig rig(table(), precision);
    World world(table(),
                {.shape = {KvKind::f32, 16, 1, 64}, .heads = 2, .seqs = {{500, 1}, {40, 40}}});
    for (Matrix& keys : world.keys) {
      for (int p = 0; p < keys.rows; ++p) {
        for (int i = 0; i < 64; ++i) keys.at(p, i) = p == 21 ? 40.0f : -40.0f;
      }
    }
    for (float& value : world.q.values) value = 30.0f;
    world.store(rig);
    const Matrix out = world.attend(rig);
    for (int i = 0; i < 64; ++i) {
      EXPECT_NEAR(out.at(0, i), world.values[0].at(21, i), 2e-2);
      EXPECT_NEAR(out.at(1 + 30, 64 + i), world.values[1].at(21, i), 2e-2);
    }
  }
}

// The same where that key is in one chunk and the others are far below it.
TEST_P(Attention, LargeScoresInOneChunk) {
  for (const int at : {5, 255, 256, 700, 768}) {
    Rig rig(table(), Precision::exact);
    World world(table(), {.shape = {KvKind::f32, 16, 1, 64}, .heads = 2, .seqs = {{769, 1}}});
    Matrix& keys = world.keys[0];
    for (int p = 0; p < keys.rows; ++p) {
      for (int i = 0; i < 64; ++i) keys.at(p, i) = p == at ? 40.0f : -40.0f;
    }
    for (float& value : world.q.values) value = 30.0f;
    world.store(rig);
    const Matrix out = world.attend(rig);
    for (int i = 0; i < 64; ++i) EXPECT_NEAR(out.at(0, i), world.values[0].at(at, i), 1e-5);
  }
}

// A chunk of one position, whose score has no maximum.
TEST_P(Attention, NanInAChunkOfItsOwnShows) {
  for (const KvKind kind : kKinds) {
    for (const int context : {1, 257, 513}) {
      for (const bool in_key : {true, false}) {
        Rig rig(table(), Precision::exact);
        World world(table(), {.shape = {kind, 16, 1, 64}, .heads = 2, .seqs = {{context, 1}}});
        Matrix& where = in_key ? world.keys[0] : world.values[0];
        where.at(context - 1, 3) = std::numeric_limits<float>::quiet_NaN();
        world.store(rig);
        const Matrix out = world.attend(rig);
        for (int head = 0; head < 2; ++head) {
          EXPECT_TRUE(std::isnan(out.at(0, head * 64 + 3)))
              << table().name << " kind " << static_cast<int>(kind) << " key " << in_key
              << " context " << context;
        }
      }
    }
  }
}

// One that is not finite among what was stored shows in every row that sees it.
TEST_P(Attention, NanInAKeyOrAValueShows) {
  for (const KvKind kind : kKinds) {
    for (const bool in_key : {true, false}) {
      Rig rig(table(), Precision::standard);
      World world(table(), {.shape = {kind, 16, 1, 64}, .heads = 2, .seqs = {{40, 1}, {33, 33}}});
      for (auto* all : {&world.keys, &world.values}) {
        if ((all == &world.keys) != in_key) continue;
        for (Matrix& each : *all) each.at(7, 3) = std::numeric_limits<float>::quiet_NaN();
      }
      world.store(rig);
      const Matrix out = world.attend(rig);
      for (const int row : {0, 1 + 7, 1 + 32}) {
        for (int head = 0; head < 2; ++head) {
          EXPECT_TRUE(std::isnan(out.at(row, head * 64 + 3)))
              << table().name << " kind " << static_cast<int>(kind) << " key " << in_key << " row "
              << row;
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::kernels
