// The plan of attention by itself: whatever the shape, every chunk that a row sees is computed
// once.
#include "kernels/attention_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <vector>

namespace millrace::kernels::chunked {
namespace {

struct Case {
  std::vector<int> contexts, tokens;  // of each sequence
  int heads, kv_heads, window;
};

struct Plan {
  Plan(const Case& of, int threads, int rows_per_task) : given(of) {
    starts.push_back(3);  // a run of sequences need not begin at the first token of the batch
    for (const int count : given.tokens) starts.push_back(starts.back() + count);
    args.shape = {.kind = KvKind::f32, .block_tokens = 16, .kv_heads = of.kv_heads, .head_dim = 64};
    args.num_seqs = static_cast<int>(given.contexts.size());
    args.query_start = starts.data();
    args.context_len = given.contexts.data();
    args.heads = of.heads;
    args.window = of.window;
    counts = make_plan(
        threads, args, rows_per_task,
        [&](int i, const Task& task) {
          EXPECT_EQ(i, static_cast<int>(tasks.size()));
          tasks.push_back(task);
        },
        [&](int i, const Merge& merge) {
          EXPECT_EQ(i, static_cast<int>(merges.size()));
          merges.push_back(merge);
        });
    EXPECT_EQ(counts.tasks, static_cast<int>(tasks.size()));
    EXPECT_EQ(counts.merges, static_cast<int>(merges.size()));
  }

  Case given;
  std::vector<std::int32_t> starts;
  AttentionArgs args = {};
  std::vector<Task> tasks;
  std::vector<Merge> merges;
  Counts counts;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {{1}, {1}, 1, 1, 0},
      {{32768}, {1}, 14, 2, 0},
      {{256, 257, 512, 513, 255}, {1, 1, 2, 3, 1}, 9, 3, 0},
      {{4096, 5, 0, 300, 16}, {1, 5, 0, 0, 1}, 4, 4, 0},
      {{700}, {700}, 6, 2, 0},
      {{2000}, {64}, 71, 1, 0},
      {{2000, 1999}, {4, 40}, 32, 2, 300},
      {{5000}, {300}, 4, 4, 256},
      {{5000, 700}, {3, 700}, 8, 1, 1},
  };
  return kCases;
}

template <class Check>
void for_plans(const Check& check) {
  for (std::size_t i = 0; i < cases().size(); ++i) {
    for (const int threads : {1, 2, 5, 64}) {
      for (const int rows : {4, 16}) {
        SCOPED_TRACE(::testing::Message()
                     << "case " << i << " threads " << threads << " rows a task " << rows);
        const Plan plan(cases()[i], threads, rows);
        check(plan, threads, rows);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// What a row sees, by the definition.
std::vector<int> chunks_of(const Case& of, int seq, int row) {
  const auto s = static_cast<std::size_t>(seq);
  const int last = of.contexts[s] - of.tokens[s] + row / (of.heads / of.kv_heads);
  std::set<int> chunks;
  for (int p = of.window > 0 ? std::max(0, last - of.window + 1) : 0; p <= last; ++p) {
    chunks.insert(p / kChunk);
  }
  return {chunks.begin(), chunks.end()};
}

TEST(AttentionPlan, EveryChunkOfEveryRowOnce) {
  for_plans([](const Plan& plan, int, int rows_per_task) {
    std::map<std::tuple<int, int, int, int>, int> seen;  // sequence, KV head, row, chunk
    for (const Task& task : plan.tasks) {
      ASSERT_GE(task.num_rows, 1);
      ASSERT_LE(task.num_rows, rows_per_task);
      ASSERT_LT(task.first_chunk, task.end_chunk);
      for (int row = task.first_row; row < task.first_row + task.num_rows; ++row) {
        for (int chunk = task.first_chunk; chunk < task.end_chunk; ++chunk) {
          ++seen[{task.seq, task.kv_head, row, chunk}];
        }
      }
    }
    std::size_t wanted = 0;
    for (int seq = 0; seq < plan.args.num_seqs; ++seq) {
      const int rows = plan.given.tokens[static_cast<std::size_t>(seq)] * group_of(plan.args);
      for (int head = 0; head < plan.args.shape.kv_heads; ++head) {
        for (int row = 0; row < rows; ++row) {
          for (const int chunk : chunks_of(plan.given, seq, row)) {
            const auto found = seen.find({seq, head, row, chunk});
            ASSERT_TRUE(found != seen.end() && found->second == 1)
                << "sequence " << seq << " head " << head << " row " << row << " chunk " << chunk;
            ++wanted;
          }
        }
      }
    }
    // Beyond these only what a neighbour in the task sees.
    for (const auto& [where, times] : seen) ASSERT_EQ(times, 1);
    EXPECT_GE(seen.size(), wanted);
  });
}

TEST(AttentionPlan, PartialsAreApartAndMergedOnce) {
  for_plans([](const Plan& plan, int, int) {
    std::map<std::tuple<int, int, int, int>, std::ptrdiff_t> places;
    std::set<std::ptrdiff_t> used;
    std::set<std::tuple<int, int, int>> whole;
    for (const Task& task : plan.tasks) {
      const int seq_rows = tokens_of(plan.args, task.seq) * group_of(plan.args);
      for (int r = 0; r < task.num_rows; ++r) {
        if (task.partial < 0) {
          ASSERT_TRUE(whole.insert({task.seq, task.kv_head, task.first_row + r}).second);
          continue;
        }
        for (int chunk = task.first_chunk; chunk < task.end_chunk; ++chunk) {
          const std::ptrdiff_t place =
              task.partial + std::ptrdiff_t{chunk - task.first_chunk} * seq_rows + r;
          ASSERT_LT(place, plan.counts.partials);
          ASSERT_TRUE(used.insert(place).second) << "two tasks write one partial";
          places[{task.seq, task.kv_head, task.first_row + r, chunk}] = place;
        }
      }
    }
    std::size_t rows = 0;
    for (int seq = 0; seq < plan.args.num_seqs; ++seq) {
      rows += static_cast<std::size_t>(tokens_of(plan.args, seq) * plan.args.heads);
    }
    EXPECT_EQ(whole.size() + plan.merges.size(), rows);
    std::set<std::tuple<int, int, int>> merged;
    for (const Merge& merge : plan.merges) {
      ASSERT_TRUE(merged.insert({merge.seq, merge.kv_head, merge.row}).second);
      ASSERT_FALSE(whole.contains({merge.seq, merge.kv_head, merge.row}));
      const int seq_rows = tokens_of(plan.args, merge.seq) * group_of(plan.args);
      std::ptrdiff_t place = merge.partial;
      for (const int chunk : chunks_of(plan.given, merge.seq, merge.row)) {
        ASSERT_EQ(places.at({merge.seq, merge.kv_head, merge.row, chunk}), place);
        place += seq_rows;
      }
    }
  });
}

// Tasks with a chunk in common are not separated by one that shares nothing with them.
TEST(AttentionPlan, TasksThatShareKAndVAreNeighbours) {
  const auto share = [](const Task& a, const Task& b) {
    return a.seq == b.seq && a.kv_head == b.kv_head && a.first_chunk < b.end_chunk &&
           b.first_chunk < a.end_chunk;
  };
  for_plans([&](const Plan& plan, int, int) {
    const int count = plan.counts.tasks;
    for (int i = 0; i < count; ++i) {
      int last = i;
      const auto& tasks = plan.tasks;
      for (int j = i + 1; j < count; ++j) {
        const auto at = static_cast<std::size_t>(i), to = static_cast<std::size_t>(j);
        if (!share(tasks[at], tasks[to])) continue;
        for (int k = last + 1; k < j; ++k) {
          const auto between = static_cast<std::size_t>(k);
          ASSERT_TRUE(share(tasks[at], tasks[between]) || share(tasks[between], tasks[to]));
        }
        last = j;
      }
    }
  });
}

TEST(AttentionPlan, NoThreadIsLeftWithALongTask) {
  for_plans([](const Plan& plan, int threads, int) {
    if (threads == 1) {
      EXPECT_TRUE(plan.merges.empty());  // nothing to share
      return;
    }
    for (const Task& task : plan.tasks) {
      const std::int64_t chunks = task.end_chunk - task.first_chunk;
      const std::int64_t cost = std::int64_t{task.num_rows} * chunks * kChunk * 64;
      const std::int64_t one = std::int64_t{task.num_rows} * 2 * kChunk * 64;
      EXPECT_TRUE(chunks == 1 || cost <= plan.counts.cost / (8 * threads) + one);
    }
  });
}

TEST(AttentionPlan, AllHeadsOfAKvHeadTogether) {
  const Plan plan({{32768}, {1}, 14, 2, 0}, 2, 16);
  for (const Task& task : plan.tasks) EXPECT_EQ(task.num_rows, 7);
  EXPECT_GE(plan.counts.tasks, 16);
  EXPECT_EQ(plan.counts.merges, 14);
}

}  // namespace
}  // namespace millrace::kernels::chunked
