#include "optimize/quantise_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "optimize/layer_walk.h"
#include "optimize/on_rows.h"

namespace millrace::optimize {
namespace {

using models::LinearSpec;
using models::row_bytes;

class ModelQuantiser {
 public:
  ModelQuantiser(const models::ModelFiles& files, kernels::Ops& ops, models::DecoderPlan plan,
                 std::span<const std::int32_t> tokens, const QuantiseOptions& options)
      : ops_(ops),
        plan_(std::move(plan)),
        options_(options),
        source_(files.weights, ops),
        walk_(ops, plan_.config, tokens, options.context) {}

  Result<QuantisedModel> run() {
    const models::DecoderConfig& config = plan_.config;
    step("embedding", 0);
    models::DecoderWeights first;
    first.embedding = round_table(plan_.names.embedding);
    if (config.position == models::PositionKind::learned) {
      first.positions =
          source_.table(plan_.names.positions, config.max_position, config.hidden_size);
    }
    if (!source_.status()) return std::unexpected(source_.status().error());
    walk_.embed(std::move(first));
    for (int layer = 0; layer < config.num_layers; ++layer) {
      if (Status done = quantise_layer(layer); !done) return pass(done);
    }
    if (config.tied_embeddings) {
      model_.unused = plan_.names.lm_head + ".weight";
    } else {
      round_table(plan_.names.lm_head);
    }
    if (!source_.status()) return std::unexpected(source_.status().error());
    return std::move(model_);
  }

 private:
  void step(const std::string& what, double done) const {
    if (options_.progress) options_.progress(what, done);
  }

  // A place among the file's tensors for rows of `spec`.
  QuantisedTensor& place(const LinearSpec& spec, DType kind) {
    QuantisedTensor& tensor = model_.tensors[spec.name + ".weight"];
    if (tensor.rows == 0) {
      tensor.kind = kind;
      tensor.rows = spec.total_rows == 0 ? spec.n : spec.total_rows;
      tensor.columns = spec.k;
      const auto rows = static_cast<std::size_t>(tensor.rows);
      tensor.bytes = Buffer(rows * row_bytes(kind, spec.k));
      if (kind == DType::i8) tensor.scales.resize(rows);
    }
    return tensor;
  }

  void put(QuantisedTensor& tensor, const LinearSpec& spec, const RoundedMatrix& rounded) {
    const auto first = static_cast<std::size_t>(spec.first_row);
    std::memcpy(tensor.bytes.data() + first * row_bytes(tensor.kind, spec.k), rounded.bytes.data(),
                rounded.bytes.size());
    if (tensor.kind == DType::i8) {
      std::ranges::copy(rounded.scales, tensor.scales.begin() + static_cast<std::ptrdiff_t>(first));
    }
    tensor.error = std::max(tensor.error, rounded.error);
  }

  kernels::Weight pack(DType kind, int n, int k, const std::byte* bytes, const float* scales) {
    return kernels::Weight(ops_, {.kind = kind,
                                  .n = n,
                                  .k = k,
                                  .source = bytes,
                                  .scales = kind == DType::i8 ? scales : nullptr,
                                  .source_row_bytes = static_cast<std::int64_t>(row_bytes(kind, k)),
                                  .transposed = false,
                                  .first_row = 0,
                                  .num_rows = n});
  }

  // An embedding or output head, a row at a time: 8 bits, or none of its business.
  kernels::Weight round_table(const std::string& name) {
    const int n = plan_.config.vocab_size, k = plan_.config.hidden_size;
    QuantisedTensor& tensor = place({.name = name, .n = n, .k = k}, DType::i8);
    constexpr int kAtOnce = 4096;
    for (int first = 0; first < n; first += kAtOnce) {
      const LinearSpec part{.name = name,
                            .n = std::min(kAtOnce, n - first),
                            .k = k,
                            .first_row = first,
                            .total_rows = n};
      const std::vector<float> rows = source_.rows(part);
      if (rows.empty()) return {};
      on_rows(ops_, part.n, [&](int row) {
        const auto at = static_cast<std::size_t>(first + row), width = static_cast<std::size_t>(k);
        tensor.scales[at] =
            models::quantise_row(DType::i8, rows.data() + static_cast<std::size_t>(row) * width, k,
                                 tensor.bytes.data() + at * width);
      });
    }
    return pack(DType::i8, n, k, tensor.bytes.data(), tensor.scales.data());
  }

  DType kind_of(const LinearSpec& spec) const {
    return models::quantised_kind(options_.quantization, spec.k);
  }
  // Of matrices that may get more than 4 bits. The rows of one tensor are of one kind.
  DType finer_kind_of(const LinearSpec& spec) const {
    return options_.pure || spec.total_rows != 0 ? kind_of(spec) : DType::i8;
  }
  // Errors that enter the residual stream first and last count most; every third layer between.
  bool is_finer_layer(int layer) const {
    const int num_layers = plan_.config.num_layers, edge = num_layers / 8;
    return layer < edge || layer >= num_layers - edge || (layer - edge) % 3 == 2;
  }

  void round_linear(const LinearSpec& spec, DType kind, const std::vector<float>& moments,
                    models::Linear& linear) {
    if (spec.name.empty() || !source_.status()) return;
    const std::vector<float> rows = source_.rows(spec);
    if (rows.empty()) return;
    const RoundedMatrix rounded =
        round_matrix(ops_, kind, rows.data(), spec.n, spec.k, moments.data(), options_.rounding);
    put(place(spec, kind), spec, rounded);
    linear.weight = pack(kind, spec.n, spec.k, rounded.bytes.data(), rounded.scales.data());
  }

  Status quantise_layer(int layer) {
    const models::DecoderConfig& config = plan_.config;
    const double share = 1.0 / config.num_layers;
    const auto tell = [&](const char* what, double part) {
      step(fmt::format("layer {} of {}: {}", layer + 1, config.num_layers, what),
           (layer + part) * share);
    };
    tell("measuring", 0);
    models::LayerWeights floats = models::load_layer_weights(config, plan_.names, layer, source_);
    if (!source_.status()) return source_.status();
    models::LayerWeights rounded = without_matrices(floats);
    const LayerMoments moments = walk_.measure(std::move(floats));
    const models::LayerLinears linears = models::layer_linears(config, plan_.names, layer);
    tell("rounding attention", 0.3);
    const auto round = [&](const LinearSpec& spec, const std::vector<float>& seen,
                           models::Linear& out) { round_linear(spec, kind_of(spec), seen, out); };
    round(linears.q, moments.attention_input, rounded.q);
    round(linears.k, moments.attention_input, rounded.k);
    round_linear(linears.v, finer_kind_of(linears.v), moments.attention_input, rounded.v);
    round(linears.output, moments.attention, rounded.output);
    tell("rounding MLP", 0.5);
    round(linears.gate, moments.mlp_input, rounded.gate);
    round(linears.up, moments.mlp_input, rounded.up);
    round_linear(linears.down,
                 is_finer_layer(layer) ? finer_kind_of(linears.down) : kind_of(linears.down),
                 moments.mlp, rounded.down);
    if (!source_.status()) return source_.status();
    tell("passing", 0.9);
    if (layer + 1 < config.num_layers) walk_.pass(std::move(rounded));
    return {};
  }

  static models::LayerWeights without_matrices(const models::LayerWeights& layer) {
    models::LayerWeights out;
    out.attention_norm = layer.attention_norm;
    out.q_norm = layer.q_norm;
    out.k_norm = layer.k_norm;
    out.mlp_norm = layer.mlp_norm;
    out.q.bias = layer.q.bias;
    out.k.bias = layer.k.bias;
    out.v.bias = layer.v.bias;
    out.output.bias = layer.output.bias;
    out.gate.bias = layer.gate.bias;
    out.up.bias = layer.up.bias;
    out.down.bias = layer.down.bias;
    return out;
  }

  kernels::Ops& ops_;
  models::DecoderPlan plan_;
  const QuantiseOptions& options_;
  models::WeightSource source_;
  LayerWalk walk_;
  QuantisedModel model_;
};

}  // namespace

Result<QuantisedModel> quantise_model(const models::ModelFiles& files, kernels::Ops& ops,
                                      std::span<const std::int32_t> tokens,
                                      const QuantiseOptions& options) {
  auto plan = models::plan_decoder(files);
  if (!plan) return pass(plan);
  return ModelQuantiser(files, ops, *std::move(plan), tokens, options).run();
}

}  // namespace millrace::optimize
