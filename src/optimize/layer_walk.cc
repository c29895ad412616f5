#include "optimize/layer_walk.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "optimize/dense.h"

namespace millrace::optimize {
namespace {

using models::ActivationPoint;

constexpr int kBlockTokens = 16;

class MomentSums final : public models::ActivationObserver {
 public:
  MomentSums(kernels::Ops& ops, const models::DecoderConfig& config) : ops_(ops) {
    const int q_width = config.num_heads * config.head_dim;
    widths_ = {config.hidden_size, q_width, config.hidden_size, config.intermediate_size};
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      const auto width = static_cast<std::size_t>(widths_[i]);
      sums_[i].resize(width * width);
    }
  }

  void observe(ActivationPoint point, int, std::span<const float> values) override {
    constexpr std::array kPoints = {ActivationPoint::attention_input, ActivationPoint::attention,
                                    ActivationPoint::mlp_input, ActivationPoint::mlp};
    const auto found = std::ranges::find(kPoints, point);
    if (found == kPoints.end()) return;
    const auto i = static_cast<std::size_t>(found - kPoints.begin());
    const int width = widths_[i], rows = static_cast<int>(values.size()) / width;
    add_moments(ops_, {values.data(), rows, width, width}, sums_[i].data());
  }

  LayerMoments take() {
    return {std::move(sums_[0]), std::move(sums_[1]), std::move(sums_[2]), std::move(sums_[3])};
  }

 private:
  kernels::Ops& ops_;
  std::array<int, 4> widths_{};
  std::array<std::vector<float>, 4> sums_;
};

}  // namespace

LayerWalk::LayerWalk(kernels::Ops& ops, const models::DecoderConfig& config,
                     std::span<const std::int32_t> tokens, int context)
    : ops_(ops), config_(config), tokens_(tokens), context_(context) {
  config_.num_layers = 1;
  config_.max_position = std::min(config_.max_position, context);
  hidden_.resize(tokens.size() * static_cast<std::size_t>(config.hidden_size));
  kv_.shape = {.kind = kernels::KvKind::f32,
               .block_tokens = kBlockTokens,
               .kv_heads = config.num_kv_heads,
               .head_dim = config.head_dim};
  const int blocks = (context + kBlockTokens - 1) / kBlockTokens;
  kv_memory_ = Buffer(ops.table.kv_block_bytes(kv_.shape) * static_cast<std::size_t>(blocks));
  kv_.layers = {kv_memory_.data()};
}

models::Decoder LayerWalk::decoder_of(models::DecoderWeights weights) {
  models::Decoder decoder(config_, std::move(weights));
  decoder.reserve(ops_, context_, 1);
  return decoder;
}

models::Decoder LayerWalk::decoder_of(models::LayerWeights layer) {
  models::DecoderWeights weights;
  weights.layers.push_back(std::move(layer));
  return decoder_of(std::move(weights));
}

template <class Use>
void LayerWalk::each_window(const Use& use) {
  const auto context = static_cast<std::size_t>(context_);
  std::vector<std::int32_t> positions(context);
  std::iota(positions.begin(), positions.end(), 0);  // and KV slots: the blocks lie in order
  std::vector<std::int32_t> blocks((context + kBlockTokens - 1) / kBlockTokens);
  std::iota(blocks.begin(), blocks.end(), 0);
  for (std::size_t first = 0; first < tokens_.size(); first += context) {
    const std::size_t count = std::min(context, tokens_.size() - first);
    const std::span<const std::int32_t> places(positions.data(), count);
    const std::int32_t query_start[] = {0, static_cast<std::int32_t>(count)};
    const models::ForwardBatch batch{.tokens = tokens_.subspan(first, count),
                                     .positions = places,
                                     .slots = places,
                                     .query_start = query_start,
                                     .context_len = {query_start + 1, 1},
                                     .block_table = blocks,
                                     .block_table_stride = static_cast<int>(blocks.size()),
                                     .logit_rows = {}};
    use(batch, hidden_.data() + first * static_cast<std::size_t>(config_.hidden_size));
  }
}

void LayerWalk::embed(models::DecoderWeights weights) {
  models::Decoder decoder = decoder_of(std::move(weights));
  each_window([&](const models::ForwardBatch& batch, float* hidden) {
    decoder.embed(ops_, batch, hidden);
  });
}

LayerMoments LayerWalk::measure(models::LayerWeights layer) {
  models::Decoder decoder = decoder_of(std::move(layer));
  MomentSums sums(ops_, config_);
  decoder.set_observer(&sums);
  std::vector<float> scratch(static_cast<std::size_t>(context_) *
                             static_cast<std::size_t>(config_.hidden_size));
  each_window([&](const models::ForwardBatch& batch, const float* hidden) {
    const std::size_t count = batch.tokens.size() * static_cast<std::size_t>(config_.hidden_size);
    std::copy_n(hidden, count, scratch.data());
    decoder.run_layer(ops_, batch, kv_, 0, scratch.data());
  });
  return sums.take();
}

void LayerWalk::pass(models::LayerWeights layer) {
  models::Decoder decoder = decoder_of(std::move(layer));
  each_window([&](const models::ForwardBatch& batch, float* hidden) {
    decoder.run_layer(ops_, batch, kv_, 0, hidden);
  });
}

}  // namespace millrace::optimize
