#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "app/bench_attention.h"
#include "app/bench_command.h"
#include "app/bench_kernel_row.h"
#include "base/json.h"
#include "base/version.h"
#include "kernels/ceilings.h"
#include "kernels/ops.h"
#include "kernels/select.h"
#include "tensor/compute_pool.h"

namespace millrace::app {
namespace {

using kernels::Ops;

struct Shape {
  std::string name;
  int n = 0, k = 0;
};

const std::map<std::string, AttentionHeads>& known_heads() {
  static const std::map<std::string, AttentionHeads> kHeads = {
      {"smollm2-135m", {9, 3, 64}}, {"qwen2.5-0.5b", {14, 2, 64}}, {"llama-3.2-1b", {32, 8, 64}}};
  return kHeads;
}

// The products of one layer, each by itself.
const std::map<std::string, std::vector<Shape>>& known_shapes() {
  static const std::map<std::string, std::vector<Shape>> kShapes = {
      {"smollm2-135m",
       {{"qkv", 960, 576}, {"output", 576, 576}, {"gate-up", 3072, 576}, {"down", 576, 1536}}},
      {"qwen2.5-0.5b",
       {{"qkv", 1152, 896}, {"output", 896, 896}, {"gate-up", 9728, 896}, {"down", 896, 4864}}},
      {"llama-3.2-1b",
       {{"qkv", 3072, 2048},
        {"output", 2048, 2048},
        {"gate-up", 16384, 2048},
        {"down", 2048, 8192}}}};
  return kShapes;
}

Result<std::vector<Shape>> read_shapes(const std::vector<std::string>& words) {
  std::vector<Shape> shapes;
  for (const std::string& word : words) {
    if (const auto known = known_shapes().find(word); known != known_shapes().end()) {
      shapes.insert(shapes.end(), known->second.begin(), known->second.end());
      continue;
    }
    Shape shape{.name = "gemm"};
    const char* end = word.data() + word.size();
    const auto [cross, bad_n] = std::from_chars(word.data(), end, shape.n);
    if (bad_n != std::errc() || cross == end || *cross != 'x' || shape.n < 1 || shape.n > 1 << 20)
      return invalid(
          fmt::format("--shapes {}: expected NxK or smollm2-135m, qwen2.5-0.5b, "
                      "llama-3.2-1b",
                      word));
    const auto [stop, bad_k] = std::from_chars(cross + 1, end, shape.k);
    if (bad_k != std::errc() || stop != end || shape.k < 1 || shape.k > 1 << 20)
      return invalid(fmt::format("--shapes {}: expected NxK", word));
    shapes.push_back(shape);
  }
  return shapes;
}

Result<DType> read_kind(const std::string& word) {
  for (const DType kind : {DType::f32, DType::f16, DType::bf16, DType::i8, DType::q4_0, DType::q4_1,
                           DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k, DType::q5_k,
                           DType::q6_k, DType::q4_g64, DType::q4_g128}) {
    if (word == dtype_name(kind)) return kind;
  }
  return invalid(
      fmt::format("--kinds {}: expected f32, f16, bf16, i8, q4_0, q4_1, q5_0, q5_1, q8_0, "
                  "q4_k, q5_k, q6_k, q4_g64 or q4_g128",
                  word));
}

// Weights of ordinary size in the format of a file: random bits whose scales (and plain exponents)
// are set, so that no product is a NaN, an infinity or a denormal.
std::vector<std::uint8_t> random_weights(DType kind, std::size_t bytes) {
  constexpr std::uint16_t kHalf = 0x211f;  // 0.01 as f16
  std::mt19937 random(1);
  std::vector<std::uint8_t> data(bytes);
  for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(random());
  const std::size_t block = dtype_block_bytes(kind);
  for (std::size_t at = 0; at + block <= bytes; at += block) {
    std::uint8_t* to = data.data() + at;
    if (kind == DType::f32) to[3] = static_cast<std::uint8_t>((to[3] & 0x80) | 0x3e);
    if (kind == DType::bf16) to[1] = static_cast<std::uint8_t>((to[1] & 0x80) | 0x3e);
    if (kind == DType::f16) to[1] = static_cast<std::uint8_t>((to[1] & 0x83) | 0x34);
    if (block < 16) continue;
    const std::size_t scale = kind == DType::q6_k ? 208 : 0;
    std::memcpy(to + scale, &kHalf, sizeof kHalf);
    const bool second = kind == DType::q4_1 || kind == DType::q5_1 || kind == DType::q4_k ||
                        kind == DType::q5_k || kind == DType::q4_g64 || kind == DType::q4_g128;
    if (second) std::memcpy(to + 2, &kHalf, sizeof kHalf);
  }
  return data;
}

// Enough copies of a weight that a pass over them comes from memory, as in a model of many layers.
class Weights {
 public:
  Weights(Ops& ops, DType kind, const Shape& shape) {
    constexpr std::size_t kPastCaches = std::size_t{160} << 20, kMostCopies = 1024;
    const auto k = static_cast<std::size_t>(shape.k), n = static_cast<std::size_t>(shape.n);
    const std::size_t row_bytes = k / dtype_block_elements(kind) * dtype_block_bytes(kind);
    const std::vector<std::uint8_t> source = random_weights(kind, n * row_bytes);
    const std::vector<float> scales(n, 0.01f);
    const std::size_t packed = ops.table.packed_bytes(kind, shape.n, shape.k);
    const std::size_t copies = std::clamp<std::size_t>(kPastCaches / packed + 1, 1, kMostCopies);
    Slab slab;
    for (std::size_t i = 0; i < copies; ++i) {
      copies_.emplace_back(
          ops,
          kernels::PackArgs{.kind = kind,
                            .n = shape.n,
                            .k = shape.k,
                            .source = source.data(),
                            .scales = kind == DType::i8 ? scales.data() : nullptr,
                            .source_row_bytes = static_cast<std::int64_t>(row_bytes),
                            .transposed = false,
                            .first_row = 0,
                            .num_rows = shape.n},
          &slab);
    }
  }
  const kernels::PackedWeight& next() { return copies_[at_++ % copies_.size()].packed(); }
  std::size_t bytes() const { return copies_.front().packed().bytes; }

 private:
  std::vector<kernels::Weight> copies_;
  std::size_t at_ = 0;
};

KernelRow measure(Ops& ops, Weights& weights, const Shape& shape, DType kind, int m,
                  double seconds) {
  const auto rows = static_cast<std::size_t>(m);
  std::vector<float> x(rows * static_cast<std::size_t>(shape.k), 0.5f);
  std::vector<float> out(rows * static_cast<std::size_t>(shape.n));
  KernelRow row{.op = shape.name, .kind = dtype_name(kind), .m = m, .n = shape.n, .k = shape.k};
  row.seconds = median_seconds(seconds, [&] {
    kernels::gemm(ops, {.x = x.data(),
                        .x_stride = shape.k,
                        .m = m,
                        .k = shape.k,
                        .num_parts = 1,
                        .parts = {{.weight = &weights.next(),
                                   .bias = nullptr,
                                   .out = out.data(),
                                   .out_stride = shape.n}},
                        .epilogue = kernels::Epilogue::none,
                        .accumulate = false});
  });
  const double moved = static_cast<double>(weights.bytes() + 4 * (x.size() + out.size()));
  row.bytes_per_second = moved / row.seconds;
  row.flops = 2.0 * m * shape.n * shape.k / row.seconds;
  return row;
}

void print_head(const Ops& ops, const kernels::Ceilings& c) {
  fmt::print("{} kernels, {} threads; ceilings measured now: read {:.1f} GB/s, f32 {:.1f} GFLOPS",
             ops.table.name, ops.exec.num_threads(), c.read_bytes_per_second / 1e9,
             c.f32_flops / 1e9);
  if (c.bf16_flops > 0) fmt::print(", bf16 {:.1f} GFLOPS", c.bf16_flops / 1e9);
  if (c.int8_ops > 0) fmt::print(", int8 {:.1f} GOPS", c.int8_ops / 1e9);
  fmt::print("\n{:<10}{:>7}{:>7}{:>6}  {:<6}{:>12}{:>10}{:>10}{:>12}{:>12}\n", "op", "n", "k", "m",
             "kind", "microseconds", "GB/s", "GFLOPS", "of memory", "of compute");
}

void print_row(const KernelRow& row) {
  fmt::print("{:<10}{:>7}{:>7}{:>6}  {:<6}{:>12.1f}{:>10.2f}{:>10.1f}{:>10.1f} %{:>10.1f} %\n",
             row.op, row.n, row.k, row.m, row.kind, row.seconds * 1e6, row.bytes_per_second / 1e9,
             row.flops / 1e9, 100 * row.of_bandwidth, 100 * row.of_compute);
  std::fflush(stdout);
}

json::object rows_json(const Ops& ops, const kernels::Ceilings& c, const BenchKernels& command,
                       const std::vector<KernelRow>& rows) {
  json::object out;
  out["millrace_bench"] = 1;
  out["kind"] = "kernels";
  out["version"] = kVersion;
  out["kernels"] = ops.table.name;
  out["precision"] = command.precision;
  out["threads"] = ops.exec.num_threads();
  out["ceilings"] = json::object{{"read_bytes_per_second", c.read_bytes_per_second},
                                 {"f32_flops", c.f32_flops},
                                 {"bf16_flops", c.bf16_flops},
                                 {"int8_ops", c.int8_ops}};
  json::array list;
  for (const KernelRow& row : rows) {
    list.push_back(json::object{{"op", row.op},
                                {"m", row.m},
                                {"n", row.n},
                                {"k", row.k},
                                {"weights", row.kind},
                                {"seconds", row.seconds},
                                {"bytes_per_second", row.bytes_per_second},
                                {"flops", row.flops},
                                {"of_bandwidth", row.of_bandwidth},
                                {"of_compute", row.of_compute}});
  }
  out["rows"] = std::move(list);
  return out;
}

struct Plan {
  const kernels::Kernels* table = nullptr;
  Precision precision = Precision::standard;
  std::vector<Shape> shapes;
  std::vector<DType> kinds;
  std::vector<AttentionHeads> heads;  // of the models that --shapes names
};

Result<Plan> make_plan(const BenchKernels& command) {
  Plan plan;
  const auto table = kernels::select_kernels(command.cpu_isa);
  if (!table) return std::unexpected(table.error());
  plan.table = *table;
  if (command.precision == "exact") {
    plan.precision = Precision::exact;
  } else if (command.precision == "fast") {
    plan.precision = Precision::fast;
  } else if (command.precision != "default") {
    return invalid("--precision: expected exact, default or fast");
  }
  if (!command.only.empty() && command.only != "products" && command.only != "attention") {
    return invalid("--only: expected products or attention");
  }
  const std::vector<std::string> words =
      command.shapes.empty() ? std::vector<std::string>{"qwen2.5-0.5b"} : command.shapes;
  auto shapes = read_shapes(words);
  if (!shapes) return pass(shapes);
  for (const std::string& word : words) {
    if (const auto known = known_heads().find(word); known != known_heads().end()) {
      plan.heads.push_back(known->second);
    }
  }
  plan.shapes = std::move(*shapes);
  for (const std::string& word :
       command.kinds.empty() ? std::vector<std::string>{"f32", "bf16", "q8_0", "q4_0", "q4_k"}
                             : command.kinds) {
    const auto kind = read_kind(word);
    if (!kind) return std::unexpected(kind.error());
    plan.kinds.push_back(*kind);
  }
  return plan;
}

// Rows as they are measured: printed, and kept for the file.
class Report {
 public:
  explicit Report(Ops& ops)
      : ceilings_(kernels::measure_ceilings(ops)),
        compute_(std::max(ceilings_.f32_flops, ceilings_.bf16_flops)) {
    print_head(ops, ceilings_);
  }
  void add(KernelRow row) {
    row.of_bandwidth = row.bytes_per_second / ceilings_.read_bytes_per_second;
    row.of_compute = row.flops / compute_;
    print_row(row);
    rows_.push_back(std::move(row));
  }
  const kernels::Ceilings& ceilings() const { return ceilings_; }
  const std::vector<KernelRow>& rows() const { return rows_; }

 private:
  kernels::Ceilings ceilings_;
  double compute_;
  std::vector<KernelRow> rows_;
};

void measure_products(Ops& ops, const Plan& plan, const BenchKernels& command, Report& report) {
  for (const Shape& shape : plan.shapes) {
    for (const DType kind : plan.kinds) {
      if (shape.k % static_cast<int>(dtype_block_elements(kind)) != 0 ||
          ops.table.packed_bytes(kind, shape.n, shape.k) == 0) {
        fmt::print("{:<10}{:>7}{:>7}{:>6}  {:<6}  not whole blocks\n", shape.name, shape.n, shape.k,
                   "", dtype_name(kind));
        continue;
      }
      Weights weights(ops, kind, shape);
      for (const int m : command.rows) {
        report.add(measure(ops, weights, shape, kind, m, command.seconds));
      }
    }
  }
}

void measure_attentions(Ops& ops, const Plan& plan, const BenchKernels& command, Report& report) {
  for (const AttentionHeads& heads : plan.heads) {
    for (const kernels::KvKind kind : {kernels::KvKind::bf16, kernels::KvKind::i8}) {
      for (const int context : command.contexts) {
        for (const int batch : command.batches) {
          if (auto row = measure_attention(ops, heads, kind, batch, context, command.seconds)) {
            report.add(std::move(*row));
          }
        }
      }
    }
  }
}

}  // namespace

int bench_kernels(const BenchKernels& command) {
  const auto plan = make_plan(command);
  if (!plan) return bench_failed(plan.error());
  ComputePool pool(std::max(command.threads, 0));
  Exec exec(pool, plan->precision);
  Ops ops{*plan->table, exec};
  Report report(ops);
  if (command.only != "attention") measure_products(ops, *plan, command, report);
  if (command.only != "products") measure_attentions(ops, *plan, command, report);
  const Status done =
      write_whole_file(command.json_file,
                       dump_json(rows_json(ops, report.ceilings(), command, report.rows())) + "\n");
  return done ? 0 : bench_failed(done.error());
}

}  // namespace millrace::app
