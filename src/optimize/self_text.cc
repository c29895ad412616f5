#include "optimize/self_text.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "optimize/on_rows.h"
#include "tensor/buffer.h"

namespace millrace::optimize {
namespace {

constexpr int kBlockTokens = 16;

// Uniform in [0, 1). std::uniform_real_distribution is not the same everywhere.
double uniform(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) * 0x1p-53;
}

// Token i with probability exp(x[i]) / Σ exp(x), by one uniform number.
std::int32_t draw(std::span<const float> logits, double uniform) {
  const float top = *std::ranges::max_element(logits);
  double total = 0;
  for (const float x : logits) total += std::exp(static_cast<double>(x - top));
  double left = uniform * total;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    left -= std::exp(static_cast<double>(logits[i] - top));
    if (left < 0) return static_cast<std::int32_t>(i);
  }
  return static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
}

// All texts, one new token each a step.
class Writer {
 public:
  Writer(models::CausalModel& model, kernels::Ops& ops, const SelfTextOptions& options)
      : model_(model),
        ops_(ops),
        windows_(static_cast<std::size_t>(options.windows)),
        context_(static_cast<std::size_t>(options.context)),
        vocab_(static_cast<std::size_t>(model.config().vocab_size)),
        blocks_((context_ + kBlockTokens - 1) / kBlockTokens) {
    const models::DecoderConfig& config = model.config();
    kv_.shape = {.kind = kernels::KvKind::bf16,
                 .block_tokens = kBlockTokens,
                 .kv_heads = config.num_kv_heads,
                 .head_dim = config.head_dim};
    for (int layer = 0; layer < config.num_layers; ++layer) {
      memory_.emplace_back(ops.table.kv_block_bytes(kv_.shape) * blocks_ * windows_);
      kv_.layers.push_back(memory_.back().data());
    }
    table_.resize(blocks_ * windows_);
    std::iota(table_.begin(), table_.end(), 0);
    starts_.resize(windows_ + 1);
    std::iota(starts_.begin(), starts_.end(), 0);
    logits_.resize(windows_ * vocab_);
    model.reserve(ops, options.windows, options.windows);
  }

  // Tokens at `position` of all texts → those behind them.
  void step(std::size_t position, std::vector<std::int32_t>& tokens,
            const std::vector<double>& uniforms) {
    const auto at = static_cast<std::int32_t>(position);
    const std::vector<std::int32_t> positions(windows_, at), lengths(windows_, at + 1);
    std::vector<std::int32_t> slots(windows_);
    for (std::size_t w = 0; w < windows_; ++w)
      slots[w] = static_cast<std::int32_t>(w * blocks_ * kBlockTokens + position);
    model_.forward(ops_,
                   {.tokens = tokens,
                    .positions = positions,
                    .slots = slots,
                    .query_start = starts_,
                    .context_len = lengths,
                    .block_table = table_,
                    .block_table_stride = static_cast<int>(blocks_),
                    .logit_rows = std::span(starts_).first(windows_)},
                   kv_, logits_.data());
    on_rows(ops_, static_cast<int>(windows_), [&](int window) {
      const auto w = static_cast<std::size_t>(window);
      tokens[w] = draw({logits_.data() + w * vocab_, vocab_}, uniforms[w]);
    });
  }

 private:
  models::CausalModel& model_;
  kernels::Ops& ops_;
  std::size_t windows_, context_, vocab_, blocks_;
  std::vector<Buffer> memory_;
  models::KvCache kv_;
  std::vector<std::int32_t> table_, starts_;
  std::vector<float> logits_;
};

}  // namespace

std::vector<std::int32_t> write_text(models::CausalModel& model, kernels::Ops& ops,
                                     const SelfTextOptions& options) {
  const auto windows = static_cast<std::size_t>(options.windows),
             context = static_cast<std::size_t>(options.context);
  std::mt19937_64 random(options.seed);
  std::vector<std::int32_t> tokens(windows), all(windows * context);
  std::vector<double> uniforms(windows);
  for (std::int32_t& token : tokens)
    token = static_cast<std::int32_t>(uniform(random) * model.config().vocab_size);
  Writer writer(model, ops, options);
  for (std::size_t position = 0; position < context; ++position) {
    for (std::size_t w = 0; w < windows; ++w) all[w * context + position] = tokens[w];
    if (position + 1 == context) break;
    for (double& number : uniforms) number = uniform(random);
    writer.step(position, tokens, uniforms);
    if (options.progress)
      options.progress(static_cast<double>(position) / static_cast<double>(context));
  }
  return all;
}

}  // namespace millrace::optimize
