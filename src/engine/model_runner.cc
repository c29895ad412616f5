#include "engine/model_runner.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include "base/check.h"
#include "engine/kv_memory.h"
#include "engine/random.h"
#include "engine/sampler.h"

namespace millrace::engine {

namespace {

kernels::KvShape kv_shape(const models::DecoderConfig& model, kernels::KvKind kind,
                          int block_tokens) {
  return {.kind = kind,
          .block_tokens = block_tokens,
          .kv_heads = model.num_kv_heads,
          .head_dim = model.head_dim};
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

// A sequence between begin() and end().
struct RunnerSequence {
  Sampler sampler;
  std::vector<TokenId> prompt;  // kept only for prompt log-probabilities
  int num_prompt_logprobs = -1;
  std::vector<std::vector<TokenLogprob>> prompt_logprobs = {};
};

}  // namespace

struct ModelRunner::State {
  State(std::unique_ptr<models::CausalModel> m, const kernels::Kernels& table, ComputePool& pool,
        Precision precision, kernels::KvKind kv_kind, const EngineConfig& c);

  // Row r of the logits belongs to entry row_entry[r] of the plan.
  void add_rows(const StepPlan& plan);
  void sample_entry(std::size_t entry, int thread);
  void take_prompt_logprobs(std::size_t entry, RunnerSequence& sequence, SamplerScratch& scratch);
  std::span<float> row(std::size_t r) { return {logits.as<float>() + r * vocab_size, vocab_size}; }
  RunnerSequence& at(SeqId id) { return *sequences[static_cast<std::size_t>(id)]; }

  EngineConfig config;
  std::unique_ptr<models::CausalModel> model;
  Exec exec;
  kernels::Ops ops;
  KvMemory kv;
  std::size_t vocab_size;
  Buffer logits;  // [max_logit_rows, vocab]
  int max_blocks_per_seq;

  std::vector<std::int32_t> tokens, positions, slots, query_start, context_len, block_table;
  std::vector<std::int32_t> logit_rows;
  std::vector<kernels::RowStats> stats;  // [rows]
  struct EntryRows {
    std::size_t first_row = 0, num_rows = 0;
  };
  std::vector<EntryRows> entry_rows;  // by plan entry

  std::vector<std::unique_ptr<RunnerSequence>> sequences;  // by SeqId
  std::vector<SamplerScratch> scratch;                     // by thread
  std::uint64_t seed = random_seed(), num_begun = 0;
  const StepPlan* plan = nullptr;
  StepOutput* output = nullptr;
};

ModelRunner::State::State(std::unique_ptr<models::CausalModel> m, const kernels::Kernels& table,
                          ComputePool& pool, Precision precision, kernels::KvKind kv_kind,
                          const EngineConfig& c)
    : config(c),
      model(std::move(m)),
      exec(pool, precision),
      ops{table, exec},
      kv(table, kv_shape(model->config(), kv_kind, c.block_tokens), model->config().num_layers,
         c.num_blocks),
      vocab_size(static_cast<std::size_t>(model->config().vocab_size)) {
  config.complete();
  const auto max_tokens = static_cast<std::size_t>(config.max_num_batched_tokens);
  const auto max_seqs = static_cast<std::size_t>(config.max_num_seqs);
  const auto max_rows = static_cast<std::size_t>(config.max_logit_rows());
  max_blocks_per_seq = (config.max_model_len + config.block_tokens - 1) / config.block_tokens;
  logits = Buffer(max_rows * vocab_size * sizeof(float));
  tokens.reserve(max_tokens);
  positions.reserve(max_tokens);
  slots.reserve(max_tokens);
  query_start.reserve(max_seqs + 1);
  context_len.reserve(max_seqs);
  block_table.resize(max_seqs * static_cast<std::size_t>(max_blocks_per_seq));
  logit_rows.reserve(max_rows);
  stats.resize(max_rows);
  entry_rows.reserve(max_seqs);
  scratch.resize(static_cast<std::size_t>(exec.num_threads()));
  for (SamplerScratch& s : scratch) s.reserve(model->config().vocab_size);
  model->reserve(ops, config.max_num_batched_tokens, config.max_logit_rows());
}

ModelRunner::ModelRunner(std::unique_ptr<models::CausalModel> model, const kernels::Kernels& table,
                         ComputePool& pool, Precision precision, kernels::KvKind kv_kind,
                         const EngineConfig& config)
    : state_(std::make_unique<State>(std::move(model), table, pool, precision, kv_kind, config)) {}

ModelRunner::~ModelRunner() = default;

const models::CausalModel& ModelRunner::model() const {
  return *state_->model;
}
std::int64_t ModelRunner::kv_bytes() const {
  return state_->kv.bytes();
}

void ModelRunner::begin(SeqId sequence, std::span<const TokenId> prompt,
                        const SamplingParams& sampling) {
  State& s = *state_;
  const auto slot = static_cast<std::size_t>(sequence);
  if (slot >= s.sequences.size()) s.sequences.resize(slot + 1);
  s.sequences[slot] = std::make_unique<RunnerSequence>(RunnerSequence{
      .sampler = Sampler(prompt, sampling, s.config.eos_token_ids, mix(s.seed, s.num_begun++)),
      .prompt = {},
      .num_prompt_logprobs = sampling.num_prompt_logprobs});
  if (sampling.num_prompt_logprobs < 0) return;
  s.sequences[slot]->prompt.assign(prompt.begin(), prompt.end());
  s.sequences[slot]->prompt_logprobs.resize(prompt.size());
}

void ModelRunner::end(SeqId sequence) {
  state_->sequences[static_cast<std::size_t>(sequence)].reset();
}

Status ModelRunner::launch(const StepPlan& plan) {
  State& s = *state_;
  s.plan = &plan;
  s.tokens.clear();
  s.positions.clear();
  s.slots.clear();
  s.context_len.clear();
  s.query_start.assign(1, 0);
  for (std::size_t e = 0; e < plan.sequences.size(); ++e) {
    const ScheduledSequence& entry = plan.sequences[e];
    const auto num_new = static_cast<int>(entry.new_tokens.size());
    for (int i = 0; i < num_new; ++i) {
      const int position = entry.num_computed_tokens + i;
      const int offset = position % s.config.block_tokens;
      const BlockId block =
          entry.blocks[static_cast<std::size_t>(position / s.config.block_tokens)];
      s.tokens.push_back(entry.new_tokens[static_cast<std::size_t>(i)]);
      s.positions.push_back(position);
      s.slots.push_back(block * s.config.block_tokens + offset);
      s.kv.in_use(block);
    }
    s.query_start.push_back(static_cast<std::int32_t>(s.tokens.size()));
    s.context_len.push_back(entry.num_computed_tokens + num_new);
    std::ranges::copy(entry.blocks, s.block_table.begin() +
                                        static_cast<std::ptrdiff_t>(e) * s.max_blocks_per_seq);
  }
  s.add_rows(plan);
  const models::ForwardBatch batch{.tokens = s.tokens,
                                   .positions = s.positions,
                                   .slots = s.slots,
                                   .query_start = s.query_start,
                                   .context_len = s.context_len,
                                   .block_table = s.block_table,
                                   .block_table_stride = s.max_blocks_per_seq,
                                   .logit_rows = s.logit_rows};
  s.model->forward(s.ops, batch, s.kv.cache(), s.logits.as<float>());
  return {};
}

void ModelRunner::State::add_rows(const StepPlan& p) {
  logit_rows.clear();
  entry_rows.clear();
  for (std::size_t e = 0; e < p.sequences.size(); ++e) {
    const ScheduledSequence& entry = p.sequences[e];
    const std::int32_t end = query_start[e + 1];
    std::int32_t begin = entry.samples ? end - 1 : end;
    if (at(entry.sequence).num_prompt_logprobs >= 0) begin = query_start[e];
    entry_rows.push_back({logit_rows.size(), static_cast<std::size_t>(end - begin)});
    for (std::int32_t row = begin; row < end; ++row) logit_rows.push_back(row);
  }
  MILLRACE_CHECK(logit_rows.size() <= stats.size());
}

Status ModelRunner::collect(StepOutput& output) {
  State& s = *state_;
  s.output = &output;
  for (std::size_t e = 0; e < s.plan->sequences.size(); ++e) {
    SampledToken& out = output.sampled[e];
    out.token = -1;
    out.failed = false;
    out.top_logprobs.clear();
    out.prompt_logprobs.clear();
  }
  if (s.logit_rows.empty()) return {};
  kernels::row_stats(s.ops, {.x = s.logits.as<float>(),
                             .x_stride = static_cast<std::int64_t>(s.vocab_size),
                             .rows = static_cast<int>(s.logit_rows.size()),
                             .width = static_cast<int>(s.vocab_size),
                             .out = s.stats.data()});
  const ExecView& view = s.exec.view(0);
  view.parallel(
      view.pool, static_cast<int>(s.plan->sequences.size()),
      [](void* state, int entry, int thread) {
        static_cast<State*>(state)->sample_entry(static_cast<std::size_t>(entry), thread);
      },
      &s);
  return {};
}

void ModelRunner::State::sample_entry(std::size_t e, int thread) {
  const auto [first_row, num_rows] = entry_rows[e];
  if (num_rows == 0) return;
  SampledToken& out = output->sampled[e];
  for (std::size_t r = first_row; r < first_row + num_rows; ++r)
    out.failed |= !std::isfinite(stats[r].log_sum_exp);
  if (out.failed) return;
  RunnerSequence& sequence = at(plan->sequences[e].sequence);
  SamplerScratch& own = scratch[static_cast<std::size_t>(thread)];
  if (sequence.num_prompt_logprobs >= 0) take_prompt_logprobs(e, sequence, own);
  if (!plan->sequences[e].samples) return;
  const std::size_t last = first_row + num_rows - 1;
  sequence.sampler.sample(row(last), stats[last], own, out);
  if (sequence.num_prompt_logprobs < 0) return;
  out.prompt_logprobs = std::move(sequence.prompt_logprobs);
  sequence.num_prompt_logprobs = -1;
  sequence.prompt = {};
}

// Row i predicts the token after position i.
void ModelRunner::State::take_prompt_logprobs(std::size_t e, RunnerSequence& sequence,
                                              SamplerScratch& own) {
  const auto [first_row, num_rows] = entry_rows[e];
  const auto start = static_cast<std::size_t>(plan->sequences[e].num_computed_tokens);
  for (std::size_t i = 0; i < num_rows && start + i + 1 < sequence.prompt.size(); ++i)
    sequence.prompt_logprobs[start + i + 1] = prompt_logprobs(
        row(first_row + i), stats[first_row + i].log_sum_exp, sequence.prompt[start + i + 1],
        sequence.num_prompt_logprobs, own.candidates);
}

}  // namespace millrace::engine
