#include "models/decoder.h"

#include <cmath>
#include <cstring>
#include <utility>

namespace millrace::models {
namespace {

using kernels::Epilogue;
using kernels::GemmArgs;
using kernels::GemmPart;

GemmPart part(const Linear& linear, float* out) {
  const kernels::PackedWeight& weight = linear.weight.packed();
  return {.weight = &weight, .bias = linear.bias_or_null(), .out = out, .out_stride = weight.n};
}

GemmArgs product(const float* x, int rows, int k) {
  return {.x = x,
          .x_stride = k,
          .m = rows,
          .k = k,
          .num_parts = 1,
          .parts = {},
          .epilogue = Epilogue::none,
          .accumulate = false};
}

// One product per run of parts of one kind: mixed files (Q4_K_M) keep v finer than q and k.
void gemm_by_kind(kernels::Ops& ops, const GemmArgs& all) {
  for (int first = 0; first < all.num_parts;) {
    GemmArgs run = all;
    run.num_parts = 0;
    const DType kind = all.parts[first].weight->kind;
    while (first < all.num_parts && all.parts[first].weight->kind == kind) {
      run.parts[run.num_parts++] = all.parts[first++];
    }
    kernels::gemm(ops, run);
  }
}

Epilogue mlp_epilogue(const DecoderConfig& config) {
  switch (config.activation) {
    case Activation::silu:
      return config.gated_mlp ? Epilogue::silu_mul : Epilogue::silu;
    case Activation::gelu_tanh:
      return config.gated_mlp ? Epilogue::gelu_tanh_mul : Epilogue::gelu_tanh;
    case Activation::gelu_erf:
      return Epilogue::gelu_erf;
    case Activation::relu:
      return Epilogue::relu;
  }
  std::unreachable();
}

void copy_row(const float* from, std::int32_t row, float* to, std::size_t to_row, int width) {
  const auto w = static_cast<std::size_t>(width);
  std::memcpy(to + to_row * w, from + static_cast<std::size_t>(row) * w, w * sizeof(float));
}

}  // namespace

Decoder::Decoder(DecoderConfig config, DecoderWeights weights)
    : config_(std::move(config)), weights_(std::move(weights)) {
  if (config_.position == PositionKind::rope) {
    rope_ = make_rope_tables(config_.rope, config_.head_dim, config_.max_position);
  }
}

void Decoder::forward(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv,
                      float* logits) {
  check_batch(batch, kv);
  const int tokens = static_cast<int>(batch.tokens.size());
  Stream stream{hidden_.as<float>(), attention_.as<float>(), tokens};
  embed(ops, batch, stream.hidden);
  for (int layer = 0; layer < config_.num_layers; ++layer) {
    const bool last = layer + 1 == config_.num_layers;
    project_qkv(ops, stream.hidden, batch, layer);
    store_kv(ops, batch, kv, layer);
    if (last && batch.logit_rows.empty()) return;  // only this layer's K and V were wanted
    attend(ops, batch, kv, layer);
    if (last) stream = pick_rows(batch);
    finish_layer(ops, stream, layer);
  }
  head(ops, stream, logits);
}

void Decoder::run_layer(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv, int layer,
                        float* hidden) {
  check_batch(batch, kv);
  const Stream stream{hidden, attention_.as<float>(), static_cast<int>(batch.tokens.size())};
  project_qkv(ops, hidden, batch, layer);
  store_kv(ops, batch, kv, layer);
  attend(ops, batch, kv, layer);
  finish_layer(ops, stream, layer);
}

void Decoder::finish_layer(kernels::Ops& ops, const Stream& stream, int layer) {
  const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
  kernels::gemm(ops, output_product(weights, stream));
  mlp(ops, weights, stream, layer);
  report(ActivationPoint::block, layer, stream.hidden, stream.rows, config_.hidden_size);
}

void Decoder::embed(kernels::Ops& ops, const ForwardBatch& batch, float* hidden) {
  const int tokens = static_cast<int>(batch.tokens.size());
  const int width = config_.hidden_size;
  kernels::gather_rows(ops, {.weight = &weights_.embedding.packed(),
                             .ids = batch.tokens.data(),
                             .count = tokens,
                             .out = hidden,
                             .out_stride = width});
  if (config_.embedding_scale != 1.0f) {
    const std::size_t count = static_cast<std::size_t>(tokens) * static_cast<std::size_t>(width);
    for (std::size_t i = 0; i < count; ++i) hidden[i] *= config_.embedding_scale;
  }
  if (config_.position == PositionKind::learned) {
    kernels::gather_rows(ops, {.weight = &weights_.positions.packed(),
                               .ids = batch.positions.data(),
                               .count = tokens,
                               .out = learned_positions_.as<float>(),
                               .out_stride = width});
    kernels::add_rows(ops, {.x = hidden,
                            .y = learned_positions_.as<float>(),
                            .out = hidden,
                            .rows = tokens,
                            .width = width});
  }
  report(ActivationPoint::embedding, -1, hidden, tokens, width);
}

kernels::Operand Decoder::take_operand(kernels::Ops& ops, GemmArgs& args) const {
  if (observer_) return {};
  const int form = kernels::operand_form(ops, args);
  if (form == 0) return {};
  args.x_operand = {.form = form, .data = const_cast<float*>(args.x)};
  args.x = nullptr;
  return args.x_operand;
}

void Decoder::normalise(kernels::Ops& ops, const Norm& norm, const float* x, float* out, int rows,
                        int width, const kernels::Operand& operand) {
  const kernels::NormArgs args{.x = x,
                               .x_stride = width,
                               .weight = norm.weight.data(),
                               .bias = norm.bias.empty() ? nullptr : norm.bias.data(),
                               .out = out,
                               .out_stride = width,
                               .rows = rows,
                               .width = width,
                               .eps = config_.norm_eps,
                               .weight_offset = config_.norm_weight_offset,
                               .out_operand = operand};
  if (config_.norm == NormKind::layer) {
    kernels::layer_norm(ops, args);
  } else {
    kernels::rms_norm(ops, args);
  }
}

void Decoder::rotate(kernels::Ops& ops, float* x, int heads, const ForwardBatch& batch) {
  kernels::rope(ops, {.x = x,
                      .x_stride = std::int64_t{heads} * config_.head_dim,
                      .tokens = static_cast<int>(batch.tokens.size()),
                      .heads = heads,
                      .head_dim = config_.head_dim,
                      .rotary_dim = 2 * rope_.half_dim,
                      .interleaved = config_.rope.interleaved,
                      .positions = batch.positions.data(),
                      .cosine = rope_.cosine.as<float>(),
                      .sine = rope_.sine.as<float>()});
}

void Decoder::project_qkv(kernels::Ops& ops, const float* hidden, const ForwardBatch& batch,
                          int layer) {
  const LayerWeights& weights = weights_.layers[static_cast<std::size_t>(layer)];
  const int tokens = static_cast<int>(batch.tokens.size());
  float* q = q_.as<float>();
  float* k = k_.as<float>();
  GemmArgs product = qkv_product(weights, tokens);
  const kernels::Operand operand = take_operand(ops, product);
  normalise(ops, weights.attention_norm, hidden, normed_.as<float>(), tokens, config_.hidden_size,
            operand);
  report(ActivationPoint::attention_input, layer, normed_.as<float>(), tokens, config_.hidden_size);
  gemm_by_kind(ops, product);
  if (config_.qk_norm) {
    normalise(ops, weights.q_norm, q, q, tokens * config_.num_heads, config_.head_dim);
    normalise(ops, weights.k_norm, k, k, tokens * config_.num_kv_heads, config_.head_dim);
  }
  if (config_.position == PositionKind::rope) {
    rotate(ops, q, config_.num_heads, batch);
    rotate(ops, k, config_.num_kv_heads, batch);
  }
}

void Decoder::store_kv(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv, int layer) {
  const int tokens = static_cast<int>(batch.tokens.size());
  report(ActivationPoint::q, layer, q_.as<float>(), tokens, q_width());
  report(ActivationPoint::k, layer, k_.as<float>(), tokens, kv_width());
  report(ActivationPoint::v, layer, v_.as<float>(), tokens, kv_width());
  kernels::kv_store(ops, {.shape = kv.shape,
                          .k = k_.as<float>(),
                          .v = v_.as<float>(),
                          .k_stride = kv_width(),
                          .v_stride = kv_width(),
                          .tokens = tokens,
                          .slots = batch.slots.data(),
                          .layer_kv = kv.layers[static_cast<std::size_t>(layer)]});
}

void Decoder::attend(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv, int layer) {
  const int tokens = static_cast<int>(batch.tokens.size());
  kernels::attention(ops,
                     attention_args(batch, kv.shape, kv.layers[static_cast<std::size_t>(layer)]));
  report(ActivationPoint::attention, layer, attention_.as<float>(), tokens, q_width());
}

Decoder::Stream Decoder::pick_rows(const ForwardBatch& batch) {
  Stream picked{picked_hidden_.as<float>(), picked_attention_.as<float>(),
                static_cast<int>(batch.logit_rows.size())};
  for (std::size_t i = 0; i < batch.logit_rows.size(); ++i) {
    const std::int32_t row = batch.logit_rows[i];
    copy_row(hidden_.as<float>(), row, picked.hidden, i, config_.hidden_size);
    copy_row(attention_.as<float>(), row, picked.attention, i, q_width());
  }
  return picked;
}

void Decoder::mlp(kernels::Ops& ops, const LayerWeights& layer, const Stream& stream, int index) {
  GemmArgs up = up_product(layer, stream.rows), down = down_product(layer, stream);
  const kernels::Operand normed = take_operand(ops, up);
  if (normed.form != 0) up.out_operand = take_operand(ops, down);
  normalise(ops, layer.mlp_norm, stream.hidden, normed_.as<float>(), stream.rows,
            config_.hidden_size, normed);
  report(ActivationPoint::mlp_input, index, normed_.as<float>(), stream.rows, config_.hidden_size);
  kernels::gemm(ops, up);
  report(ActivationPoint::mlp, index, mlp_.as<float>(), stream.rows, config_.intermediate_size);
  kernels::gemm(ops, down);
}

void Decoder::head(kernels::Ops& ops, const Stream& stream, float* logits) {
  const int width = config_.hidden_size;
  normalise(ops, weights_.final_norm, stream.hidden, normed_.as<float>(), stream.rows, width);
  report(ActivationPoint::final_norm, -1, normed_.as<float>(), stream.rows, width);
  kernels::gemm(ops, head_product(stream.rows, logits));
  if (config_.logit_soft_cap > 0) {
    const std::size_t count =
        static_cast<std::size_t>(stream.rows) * static_cast<std::size_t>(config_.vocab_size);
    const float cap = config_.logit_soft_cap;
    for (std::size_t i = 0; i < count; ++i) logits[i] = cap * std::tanh(logits[i] / cap);
  }
}

GemmArgs Decoder::qkv_product(const LayerWeights& layer, int rows) {
  GemmArgs args = product(normed_.as<float>(), rows, config_.hidden_size);
  args.num_parts = 3;
  args.parts[0] = part(layer.q, q_.as<float>());
  args.parts[1] = part(layer.k, k_.as<float>());
  args.parts[2] = part(layer.v, v_.as<float>());
  return args;
}

GemmArgs Decoder::output_product(const LayerWeights& layer, const Stream& stream) {
  GemmArgs args = product(stream.attention, stream.rows, q_width());
  args.parts[0] = part(layer.output, stream.hidden);
  args.accumulate = true;
  return args;
}

GemmArgs Decoder::up_product(const LayerWeights& layer, int rows) {
  GemmArgs args = product(normed_.as<float>(), rows, config_.hidden_size);
  args.epilogue = mlp_epilogue(config_);
  args.parts[0] = part(config_.gated_mlp ? layer.gate : layer.up, mlp_.as<float>());
  if (config_.gated_mlp) {
    args.num_parts = 2;
    args.parts[1] = part(layer.up, nullptr);  // joined into part 0's output
  }
  return args;
}

GemmArgs Decoder::down_product(const LayerWeights& layer, const Stream& stream) {
  GemmArgs args = product(mlp_.as<float>(), stream.rows, config_.intermediate_size);
  args.parts[0] = part(layer.down, stream.hidden);
  args.accumulate = true;
  return args;
}

GemmArgs Decoder::head_product(int rows, float* logits) {
  const kernels::Weight& weight = config_.tied_embeddings ? weights_.embedding : weights_.lm_head;
  GemmArgs args = product(normed_.as<float>(), rows, config_.hidden_size);
  args.parts[0] = {
      .weight = &weight.packed(), .bias = nullptr, .out = logits, .out_stride = config_.vocab_size};
  return args;
}

kernels::AttentionArgs Decoder::attention_args(const ForwardBatch& batch,
                                               const kernels::KvShape& shape,
                                               const void* layer_kv) {
  const float default_scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  return {.shape = shape,
          .q = q_.as<float>(),
          .q_stride = q_width(),
          .out = attention_.as<float>(),
          .out_stride = q_width(),
          .layer_kv = layer_kv,
          .num_seqs = static_cast<int>(batch.context_len.size()),
          .query_start = batch.query_start.data(),
          .context_len = batch.context_len.data(),
          .block_table = batch.block_table.data(),
          .block_table_stride = batch.block_table_stride,
          .heads = config_.num_heads,
          .scale = config_.attention_scale != 0.0f ? config_.attention_scale : default_scale,
          .soft_cap = config_.attention_soft_cap,
          .window = config_.sliding_window};
}

void Decoder::report(ActivationPoint point, int layer, const float* values, int rows,
                     int width) const {
  if (!observer_) return;
  const std::size_t count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(width);
  observer_->observe(point, layer, {values, count});
}

}  // namespace millrace::models
