// `millrace bench accuracy`: what rounding costs. The same file is loaded twice, exactly and as it
// would be served, and both read the same text; each token's two distributions are compared.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "app/bench_command.h"
#include "app/layer_errors.h"
#include "app/text_tokens.h"
#include "backends/native/model_folder.h"
#include "base/json.h"
#include "base/version.h"
#include "engine/kv_memory.h"
#include "kernels/select.h"
#include "models/registry.h"

namespace millrace::app {
namespace {

constexpr int kBlockTokens = 16;

struct Kind {
  Precision precision = Precision::exact;
  kernels::KvKind kv = kernels::KvKind::f32;
  models::Quantization quantization = models::Quantization::none;
};

Result<Kind> read_kind(const BenchAccuracy& command) {
  Kind kind;
  if (command.precision == "default") {
    kind.precision = Precision::standard;
  } else if (command.precision == "fast") {
    kind.precision = Precision::fast;
  } else if (command.precision != "exact") {
    return invalid("--precision: expected exact, default or fast");
  }
  const std::string& kv = command.kv_cache_dtype;
  if (kv == "bf16" || (kv == "auto" && kind.precision != Precision::exact)) {
    kind.kv = kernels::KvKind::bf16;
  } else if (kv == "int8") {
    kind.kv = kernels::KvKind::i8;
  } else if (kv != "f32" && kv != "auto") {
    return invalid("--kv-cache-dtype: expected auto, f32, bf16 or int8");
  }
  const auto quantization = models::quantization_from(command.quantization);
  if (!quantization) {
    return invalid(
        "--quantization: expected none, bf16, int8, int4, int4-g32, int4-g64 or int4-g128");
  }
  kind.quantization = *quantization;
  return kind;
}

// One model that reads windows of text, one after another, and gives the logits of every token.
class Reader {
 public:
  Reader(const kernels::Kernels& table, ComputePool& pool, const Kind& kind)
      : table_(table), exec_(pool, kind.precision), ops_{table, exec_}, kind_(kind) {}

  Status load(const backends::ModelFolder& folder, int context, int chunk,
              models::ActivationObserver* observer) {
    auto built = models::build_causal_model(
        {*folder.weights, folder.config}, ops_,
        {.max_position = context, .quantization = kind_.quantization, .progress = {}});
    if (!built) return pass(built);
    model_ = *std::move(built);
    const models::DecoderConfig& config = model_->config();
    if (context > config.max_position) {
      return invalid(fmt::format("--context {}: the model's is {}", context, config.max_position));
    }
    const kernels::KvShape shape{.kind = kind_.kv,
                                 .block_tokens = kBlockTokens,
                                 .kv_heads = config.num_kv_heads,
                                 .head_dim = config.head_dim};
    const int blocks = (context + kBlockTokens - 1) / kBlockTokens;
    kv_ = std::make_unique<engine::KvMemory>(table_, shape, config.num_layers, blocks);
    blocks_.resize(static_cast<std::size_t>(blocks));
    std::iota(blocks_.begin(), blocks_.end(), 0);
    model_->reserve(ops_, chunk, chunk);
    model_->set_observer(observer);
    logits_.resize(static_cast<std::size_t>(chunk) * vocab());
    return {};
  }

  // Logits [tokens.size(), vocab()] of tokens that begin at `position` of the window.
  const float* read(std::span<const TokenId> tokens, int position) {
    const auto count = static_cast<int>(tokens.size());
    std::vector<std::int32_t> positions(tokens.size()), rows(tokens.size());
    std::iota(positions.begin(), positions.end(), position);
    std::iota(rows.begin(), rows.end(), 0);
    const std::int32_t query_start[] = {0, count}, context_len[] = {position + count};
    // Blocks lie in order, so a slot is its position.
    const models::ForwardBatch batch{.tokens = tokens,
                                     .positions = positions,
                                     .slots = positions,
                                     .query_start = query_start,
                                     .context_len = context_len,
                                     .block_table = blocks_,
                                     .block_table_stride = static_cast<int>(blocks_.size()),
                                     .logit_rows = rows};
    model_->forward(ops_, batch, kv_->cache(), logits_.data());
    return logits_.data();
  }
  std::size_t vocab() const { return static_cast<std::size_t>(model_->config().vocab_size); }
  const models::CausalModel& model() const { return *model_; }

 private:
  const kernels::Kernels& table_;
  Exec exec_;
  kernels::Ops ops_;
  Kind kind_;
  std::unique_ptr<models::CausalModel> model_;
  std::unique_ptr<engine::KvMemory> kv_;
  std::vector<std::int32_t> blocks_;
  std::vector<float> logits_;
};

// Sums over tokens.
struct Divergence {
  double kl = 0, exact_nll = 0, rounded_nll = 0;
  std::int64_t same_top = 0, count = 0;
};

double log_sum_exp(const float* x, std::size_t n, float max) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i] - max));
  return max + std::log(sum);
}

Divergence compare(const float* exact, const float* rounded, std::size_t n, TokenId next) {
  const float* p_top = std::max_element(exact, exact + n);
  const float* q_top = std::max_element(rounded, rounded + n);
  const double p_norm = log_sum_exp(exact, n, *p_top), q_norm = log_sum_exp(rounded, n, *q_top);
  Divergence out{.count = 1};
  for (std::size_t i = 0; i < n; ++i) {
    const double log_p = exact[i] - p_norm;
    if (log_p > -60) out.kl += std::exp(log_p) * (log_p - (rounded[i] - q_norm));
  }
  out.exact_nll = p_norm - exact[next];
  out.rounded_nll = q_norm - rounded[next];
  out.same_top = p_top - exact == q_top - rounded ? 1 : 0;
  return out;
}

// Rows of a chunk on all threads, summed in order.
void compare_rows(ComputePool& pool, const float* exact, const float* rounded, std::size_t vocab,
                  std::span<const TokenId> next, Divergence& all) {
  struct Job {
    const float *exact, *rounded;
    std::size_t vocab;
    std::span<const TokenId> next;
    std::vector<Divergence> rows;
  } job{exact, rounded, vocab, next, std::vector<Divergence>(next.size())};
  pool.parallel(
      static_cast<int>(next.size()),
      [](void* context, int index, int) {
        Job& j = *static_cast<Job*>(context);
        const auto row = static_cast<std::size_t>(index);
        j.rows[row] =
            compare(j.exact + row * j.vocab, j.rounded + row * j.vocab, j.vocab, j.next[row]);
      },
      &job);
  for (const Divergence& row : job.rows) {
    all.kl += row.kl;
    all.exact_nll += row.exact_nll;
    all.rounded_nll += row.rounded_nll;
    all.same_top += row.same_top;
    all.count += row.count;
  }
}

// What the layers put out, where the command asks for it.
struct Layers {
  bool wanted = false, saved = false;
  LayerTrace exact, rounded;
  LayerErrors errors;
  std::string npy;  // of the first chunk, where it is saved

  models::ActivationObserver* observer(LayerTrace& trace) { return wanted ? &trace : nullptr; }
  void take(std::size_t hidden) {
    if (!wanted) return;
    errors.add(exact, rounded);
    if (saved && npy.empty()) npy = npy_of(rounded, hidden);
  }
};

// Windows of `context` tokens that do not overlap; within one, chunks.
Divergence compare_all(const BenchAccuracy& command, std::span<const TokenId> tokens,
                       ComputePool& pool, Reader& exact, Reader& rounded, Layers& layers) {
  Divergence all;
  const auto context = static_cast<std::size_t>(command.context);
  const auto chunk = static_cast<std::size_t>(command.chunk);
  const std::size_t last = tokens.size() - 1;  // has no next token
  for (std::size_t window = 0; window < last; window += context) {
    const std::size_t end = std::min(window + context, last);
    for (std::size_t begin = window; begin < end; begin += chunk) {
      const std::size_t count = std::min(chunk, end - begin);
      const auto position = static_cast<int>(begin - window);
      const float* p = exact.read(tokens.subspan(begin, count), position);
      const float* q = rounded.read(tokens.subspan(begin, count), position);
      compare_rows(pool, p, q, exact.vocab(), tokens.subspan(begin + 1, count), all);
      layers.take(static_cast<std::size_t>(exact.model().config().hidden_size));
    }
  }
  return all;
}

json::object result_json(const BenchAccuracy& command, const std::string& kernels,
                         std::int64_t weight_bytes, const Divergence& d, const Layers& layers) {
  const auto count = static_cast<double>(d.count);
  json::object out;
  out["millrace_bench"] = 1;
  out["kind"] = "accuracy";
  out["version"] = kVersion;
  out["model"] = command.model;
  out["exact_model"] = command.exact_model.empty() ? command.model : command.exact_model;
  out["kernels"] = kernels;
  out["precision"] = command.precision;
  out["kv_cache_dtype"] = command.kv_cache_dtype;
  out["quantization"] = command.quantization;
  out["weight_bytes"] = weight_bytes;
  out["tokens"] = d.count;
  out["context"] = command.context;
  out["chunk"] = command.chunk;
  out["mean_kl"] = d.kl / count;
  out["top1_agreement"] = static_cast<double>(d.same_top) / count;
  out["exact_perplexity"] = std::exp(d.exact_nll / count);
  out["perplexity"] = std::exp(d.rounded_nll / count);
  out["perplexity_change"] = std::exp((d.rounded_nll - d.exact_nll) / count) - 1;
  if (layers.wanted) {
    json::array& errors = out["layer_errors"].emplace_array();
    for (const double error : layers.errors.relative()) errors.push_back(error);
  }
  return out;
}

void print_result(const json::object& r) {
  const auto number = [&](const char* key) { return r.at(key).to_number<double>(); };
  fmt::print("{} kernels, precision {}, quantization {}, KV {}; {} tokens in windows of {}\n",
             r.at("kernels").as_string().c_str(), r.at("precision").as_string().c_str(),
             r.at("quantization").as_string().c_str(), r.at("kv_cache_dtype").as_string().c_str(),
             number("tokens"), number("context"));
  fmt::print("{:<34}{:>12.3e} nats\n", "mean KL a token from exact", number("mean_kl"));
  fmt::print("{:<34}{:>12.2f} %\n", "the same most likely token", 100 * number("top1_agreement"));
  fmt::print("{:<34}{:>12.4f}\n", "perplexity, exact", number("exact_perplexity"));
  fmt::print("{:<34}{:>12.4f} ({:+.3f} %)\n", "perplexity", number("perplexity"),
             100 * number("perplexity_change"));
  const json::value* layers = r.if_contains("layer_errors");
  if (layers == nullptr) return;
  fmt::print("\n{:<34}{:>12}\n", "behind", "error / size");
  int layer = -1;
  for (const json::value& error : layers->as_array()) {
    const std::string name = layer < 0 ? "the embedding" : fmt::format("layer {}", layer);
    fmt::print("{:<34}{:>12.3e}\n", name, error.to_number<double>());
    ++layer;
  }
}

Result<json::object> measure(const BenchAccuracy& command) {
  const auto kind = read_kind(command);
  if (!kind) return std::unexpected(kind.error());
  const auto table = kernels::select_kernels(command.cpu_isa);
  if (!table) return std::unexpected(table.error());
  const auto folder = backends::open_model_folder(bench_model_path(command.model));
  if (!folder) return std::unexpected(folder.error());
  const auto exact_folder = backends::open_model_folder(
      bench_model_path(command.exact_model.empty() ? command.model : command.exact_model));
  if (!exact_folder) return std::unexpected(exact_folder.error());
  const auto tokens =
      read_text_tokens(command.text_file, *folder, 2, static_cast<std::size_t>(command.tokens) + 1);
  if (!tokens) return std::unexpected(tokens.error());
  ComputePool pool(std::max(command.threads, 0));
  Reader exact(**table, pool, {}), rounded(**table, pool, *kind);
  Layers layers;
  layers.saved = !command.layers_file.empty();
  layers.wanted = command.layers || layers.saved;
  if (Status loaded =
          exact.load(*exact_folder, command.context, command.chunk, layers.observer(layers.exact));
      !loaded) {
    return pass(loaded);
  }
  if (Status loaded =
          rounded.load(*folder, command.context, command.chunk, layers.observer(layers.rounded));
      !loaded) {
    return pass(loaded);
  }
  if (exact.vocab() != rounded.vocab()) return invalid("--exact-model: another vocabulary");
  const Divergence all = compare_all(command, *tokens, pool, exact, rounded, layers);
  if (Status saved = write_whole_file(command.layers_file, layers.npy); !saved) return pass(saved);
  return result_json(command, (*table)->name, rounded.model().weight_bytes(), all, layers);
}

}  // namespace

int bench_accuracy(const BenchAccuracy& command) {
  const auto result = measure(command);
  if (!result) return bench_failed(result.error());
  print_result(*result);
  const Status done = write_whole_file(command.json_file, dump_json(*result) + "\n");
  return done ? 0 : bench_failed(done.error());
}

}  // namespace millrace::app
