// Random programs of add, abort, pause, resume and step against the scheduler; all state is
// recounted after every operation and every token is checked against its sequence.
#include <random>

#include "engine/scheduler_harness.h"

namespace millrace::engine {
namespace {

// Seeded bugs: the positive controls.
enum class Bug { none, wrong_block, lost_abort, shared_write };

void use_wrong_block(StepPlan& plan) {
  static std::vector<BlockId> moved;
  for (ScheduledSequence& entry : plan.sequences) {
    if (entry.blocks.size() < 2 || entry.num_computed_tokens < 6) continue;
    moved.assign(entry.blocks.begin(), entry.blocks.end());
    std::swap(moved.front(), moved.back());
    entry.blocks = moved;
    return;
  }
}

// The device writes over a block that others may share.
void write_from_start(StepPlan& plan) {
  for (ScheduledSequence& entry : plan.sequences)
    if (entry.num_computed_tokens >= 5) {
      entry.num_computed_tokens -= 4;
      return;
    }
}

class Program {
 public:
  Program(std::uint64_t seed, Bug bug)
      : random_(seed), bug_(bug), harness_(make_config(), make_cost()) {
    if (bug == Bug::wrong_block) harness_.sabotage = use_wrong_block;
    if (bug == Bug::shared_write) harness_.sabotage = write_from_start;
  }

  // The first thing wrong; empty when the whole program went well.
  std::string run(int num_operations) {
    for (int i = 0; i < num_operations; ++i) {
      if (std::string wrong = operation(); !wrong.empty()) return wrong;
      if (std::string wrong = harness_.scheduler.check_integrity(); !wrong.empty()) return wrong;
    }
    for (const auto& [id, born] : born_)
      if (harness_.live(id)) harness_.scheduler.resume(id);
    if (std::string wrong = harness_.drain(20000); !wrong.empty()) return wrong;
    const BlockPool& pool = harness_.scheduler.pool();
    if (pool.num_available() != pool.num_blocks()) return "blocks leaked";
    return harness_.scheduler.check_integrity();
  }
  std::uint64_t num_preemptions() const { return harness_.scheduler.num_preemptions(); }
  std::uint64_t num_hits() const { return harness_.scheduler.num_prefix_hits(); }
  int longest_wait() const { return longest_wait_; }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  EngineConfig make_config() {
    EngineConfig config = small_config();
    config.num_blocks = 16 + below(64);
    config.max_num_seqs = 1 + below(8);
    config.max_num_batched_tokens = 4 + below(60);
    config.block_tokens = 1 << below(4);
    config.num_blocks = std::max(config.num_blocks, 100 / config.block_tokens + 1);
    config.enable_prefix_caching = below(4) != 0;
    config.max_prompt_logprob_rows = 1 + below(8);
    config.complete();
    return config;
  }
  SimCost make_cost() {
    return {.step_seconds = 0.001 * below(10),
            .seconds_per_new_token = 0.0001 * below(10),
            .seconds_per_attended_token = 0.000001 * below(10),
            .seconds_per_sequence = 0.0001 * below(3)};
  }

  std::string operation() {
    const int kind = below(100);
    if (kind < 18) return add(), "";
    if (kind < 24) return abort(), "";
    if (kind < 30) return pause_or_resume(), "";
    const std::string wrong = harness_.step();
    note_progress();
    return wrong;
  }
  void add() {
    NewSequence s;
    const int length = 1 + below(below(4) == 0 ? 60 : 12);
    s.prompt = prompt_of(length, below(3));  // few distinct beginnings: prefixes are shared
    if (below(2) == 0) s.prompt.back() = 1 + below(900);
    s.tenant = std::string(1, static_cast<char>('a' + below(3)));
    s.max_new_tokens = 1 + below(30);
    s.priority = below(8) == 0 ? below(3) - 1 : 0;
    s.arrival = harness_.now;
    if (below(3) == 0) s.ttft_due = harness_.now + 0.01 * below(100);
    if (below(3) == 0) s.tpot_seconds = 0.001 * (1 + below(20));
    if (below(4) == 0) s.deadline = harness_.now + below(10);
    s.wants_prompt_logprobs = below(10) == 0;
    const SeqId id = harness_.add(std::move(s));
    born_[id] = harness_.num_steps;
  }
  SeqId any() {
    if (born_.empty()) return -1;
    const SeqId id = std::next(born_.begin(), below(static_cast<int>(born_.size())))->first;
    return harness_.live(id) ? id : -1;
  }
  void abort() {
    const SeqId id = any();
    if (id < 0) return;
    if (bug_ == Bug::lost_abort && harness_.scheduler.sequence(id).phase == Phase::paused) {
      born_.erase(id);  // its reader is gone, but nobody tells the scheduler
      return;
    }
    harness_.remove(id, below(5) == 0);
  }
  void pause_or_resume() {
    const SeqId id = any();
    if (id < 0) return;
    if (harness_.scheduler.sequence(id).phase == Phase::decode) {
      harness_.scheduler.pause(id);
    } else {
      harness_.scheduler.resume(id);
    }
  }
  void note_progress() {
    for (const auto& [id, born] : born_)
      if (harness_.live(id) && harness_.scheduler.sequence(id).phase == Phase::waiting &&
          harness_.scheduler.sequence(id).first_scheduled < 0)
        longest_wait_ = std::max(longest_wait_, harness_.num_steps - born);
  }

  std::mt19937_64 random_;
  Bug bug_;
  SchedulerHarness harness_;
  std::map<SeqId, int> born_;  // by step
  int longest_wait_ = 0;
};

constexpr int kNumPrograms = 3000, kNumOperations = 250;

TEST(SchedulerFuzz, EveryProgramKeepsEveryInvariant) {
  std::uint64_t num_preemptions = 0, num_hits = 0;
  int longest_wait = 0;
  for (std::uint64_t seed = 0; seed < kNumPrograms; ++seed) {
    Program program(seed, Bug::none);
    ASSERT_EQ(program.run(kNumOperations), "") << "seed " << seed;
    num_preemptions += program.num_preemptions();
    num_hits += program.num_hits();
    longest_wait = std::max(longest_wait, program.longest_wait());
  }
  // The programs reach what they are meant to test.
  EXPECT_GT(num_preemptions, 1000u);
  EXPECT_GT(num_hits, 10000u);
  RecordProperty("longest_wait_steps", longest_wait);
  EXPECT_LT(longest_wait, kNumOperations);
}

class SchedulerFuzzControl : public testing::TestWithParam<Bug> {};

TEST_P(SchedulerFuzzControl, SeededBugIsCaught) {
  int num_caught = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed)
    num_caught += Program(seed, GetParam()).run(kNumOperations).empty() ? 0 : 1;
  EXPECT_GT(num_caught, 20);
}

INSTANTIATE_TEST_SUITE_P(Bugs, SchedulerFuzzControl,
                         testing::Values(Bug::wrong_block, Bug::lost_abort, Bug::shared_write));

}  // namespace
}  // namespace millrace::engine
