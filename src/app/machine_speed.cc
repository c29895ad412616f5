#include "app/machine_speed.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "kernels/ceilings.h"
#include "kernels/ops.h"
#include "kernels/select.h"
#include "tensor/exec.h"

namespace millrace::app {
namespace {

constexpr int kWidth = 2048;  // of the product's matrices
constexpr int kManyRows = 256;

std::uint16_t bf16_of(float value) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
}

// Small, not constant, the same on every machine.
float sample(std::size_t i) {
  constexpr std::uint32_t kStep = 2654435761u;
  const std::uint32_t mixed = static_cast<std::uint32_t>(i) * kStep;
  return static_cast<float>(mixed >> 16) / 65536.0f - 0.5f;
}

// Repeats `work` until `seconds` are over, at least twice; the best time of one call.
template <class Work>
double best_time(double seconds, Work work) {
  const TimePoint start = Clock::now();
  double best = 1e30;
  for (int call = 0; call < 2 || seconds_between(start, Clock::now()) < seconds; ++call) {
    const TimePoint begin = Clock::now();
    work();
    best = std::min(best, seconds_between(begin, Clock::now()));
  }
  return best;
}

// One weight [n, k] of bf16 and inputs for it.
struct Product {
  Product(kernels::Ops& ops, int n, int k, int m)
      : n_(n), k_(k), m_(m), x_(size(m, k)), out_(size(m, n)) {
    std::vector<std::uint16_t> source(size(n, k));
    for (std::size_t i = 0; i < source.size(); ++i) source[i] = bf16_of(sample(i));
    for (std::size_t i = 0; i < x_.size(); ++i) x_[i] = sample(i * 7 + 3);
    weight_ = kernels::Weight(ops, {.kind = DType::bf16,
                                    .n = n,
                                    .k = k,
                                    .source = source.data(),
                                    .scales = nullptr,
                                    .source_row_bytes = std::int64_t{k} * 2,
                                    .transposed = false,
                                    .first_row = 0,
                                    .num_rows = n});
  }
  void run(kernels::Ops& ops, int m) {
    kernels::GemmArgs args{};
    args.x = x_.data();
    args.x_stride = k_;
    args.m = std::min(m, m_);
    args.k = k_;
    args.num_parts = 1;
    args.parts[0] = {
        .weight = &weight_.packed(), .bias = nullptr, .out = out_.data(), .out_stride = n_};
    args.epilogue = kernels::Epilogue::none;
    args.accumulate = false;
    kernels::gemm(ops, args);
  }
  const std::vector<float>& out() const { return out_; }
  double bytes() const { return static_cast<double>(weight_.packed().bytes); }

 private:
  static std::size_t size(int rows, int columns) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  }
  int n_, k_, m_;
  std::vector<float> x_, out_;
  kernels::Weight weight_;
};

}  // namespace

MachineSpeed measure_speed(const kernels::Kernels& table, ComputePool& pool, double seconds) {
  MachineSpeed speed{.num_threads = pool.num_threads()};
  Exec exec(pool);
  kernels::Ops ops{table, exec};
  const kernels::Ceilings most = kernels::measure_ceilings(ops, seconds / 2);
  speed.read_bytes_per_second = most.read_bytes_per_second;
  speed.peak_flops_per_second = std::max(most.f32_flops, most.bf16_flops);
  Product product(ops, kWidth, kWidth, kManyRows);
  const double many = best_time(seconds / 4, [&] { product.run(ops, kManyRows); });
  speed.flops_per_second = 2.0 * kWidth * kWidth * kManyRows / many;
  constexpr int kTall = 16;  // 128 MiB: past most caches, as a model's weights are
  Product tall(ops, kWidth * kTall, kWidth, 1);
  const double one = best_time(seconds / 4, [&] { tall.run(ops, 1); });
  speed.weight_bytes_per_second = tall.bytes() / one;
  return speed;
}

std::string check_against_reference(const kernels::Kernels& table, ComputePool& pool) {
  const auto reference = kernels::select_kernels("reference");
  if (!reference) return "the reference kernels are missing";
  constexpr int kN = 96, kK = 160;
  Exec exec(pool, Precision::exact);
  for (const int m : {1, 5, 33}) {
    kernels::Ops expected_ops{**reference, exec}, ops{table, exec};
    Product expected(expected_ops, kN, kK, m), got(ops, kN, kK, m);
    expected.run(expected_ops, m);
    got.run(ops, m);
    for (std::size_t i = 0; i < got.out().size(); ++i) {
      constexpr float kTolerance = 1e-3f;  // exact precision: only the order of the sum differs
      const float difference = std::abs(got.out()[i] - expected.out()[i]);
      if (!(difference <= kTolerance * (1 + std::abs(expected.out()[i])))) {
        return fmt::format("the product of {} rows gives {} where the reference gives {}", m,
                           got.out()[i], expected.out()[i]);
      }
    }
  }
  return {};
}

}  // namespace millrace::app
