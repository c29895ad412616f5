// gemm, gather_rows and packing of every runnable table × weight kinds × shapes × epilogues,
// against sums in f64 over the exact weights.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/tables.h"
#include "kernels/testing.h"

namespace millrace::kernels {
namespace {

using testing::EveryTable;
using testing::kPoison;
using testing::Matrix;
using testing::Rig;
using testing::SourceWeight;

class Gemm : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Kernels, Gemm, ::testing::ValuesIn(runnable_kernels()),
                         testing::table_name);

// How far a sum Σ x·w may be from exact, in units of sqrt(Σ (x·w)²), the size that a sum of such
// terms with random signs has: at worst, and root mean square over a whole matrix.
struct Tolerance {
  double worst, rms;
};
Tolerance tolerance(Precision precision) {
  switch (precision) {
    case Precision::exact:
      return {1e-5, 2e-6};  // f32 sums
    case Precision::standard:
      return {1.5e-2, 4e-3};  // bf16: 2^-9 a term, both factors
    case Precision::fast:
      return {6e-2, 2e-2};  // 8 bits a row of x
  }
  return {0, 0};
}

double activate(Epilogue epilogue, double x) {
  switch (epilogue) {
    case Epilogue::none:
      return x;
    case Epilogue::silu_mul:
    case Epilogue::silu:
      return x / (1 + std::exp(-x));
    case Epilogue::gelu_tanh_mul:
    case Epilogue::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Epilogue::gelu_erf:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Epilogue::relu:
      return std::max(x, 0.0);
  }
  return x;
}
bool is_gated(Epilogue epilogue) {
  return epilogue == Epilogue::silu_mul || epilogue == Epilogue::gelu_tanh_mul;
}
constexpr double kSteepest = 1.2;  // no activation here has a larger slope

// x·Wᵀ + b with its term sizes, [m, n].
struct Exact {
  std::vector<double> sum, size;
};
Exact exact_product(const Matrix& x, const SourceWeight& w, const float* bias) {
  Exact result;
  for (int r = 0; r < x.rows; ++r) {
    for (int c = 0; c < w.n; ++c) {
      double sum = bias != nullptr ? bias[c] : 0, squares = 0;
      const float* xr = x.row(r);
      const float* wr = w.row(c);
      for (int i = 0; i < w.k; ++i) {
        const double term = static_cast<double>(xr[i]) * wr[i];
        sum += term;
        squares += term * term;
      }
      result.sum.push_back(sum);
      result.size.push_back(std::sqrt(squares));
    }
  }
  return result;
}

// Everything about one product but the number of rows of x used.
struct Problem {
  Problem(DType kind, int max_m, int k, const std::vector<int>& ns, bool with_bias)
      : x(Matrix::random(max_m, k, 5, static_cast<std::uint32_t>(k))) {
    x.fill_padding(kPoison);
    std::uint32_t seed = 100;
    for (const int n : ns) {
      weights.emplace_back(kind, n, k, ++seed);
      biases.push_back(testing::normals(static_cast<std::size_t>(n), ++seed, 0.1f));
      exact.push_back(exact_product(x, weights.back(), with_bias ? biases.back().data() : nullptr));
    }
    has_bias = with_bias;
  }
  Matrix x;
  std::vector<SourceWeight> weights;
  std::vector<std::vector<float>> biases;
  std::vector<Exact> exact;
  bool has_bias = false;
};

std::vector<Weight> pack(Rig& rig, const Problem& problem) {
  std::vector<Weight> packed;
  for (const SourceWeight& weight : problem.weights) {
    packed.emplace_back(rig.ops, weight.pack_args());
  }
  return packed;
}

constexpr float kResidual = 0.25f;  // what `out` holds before an accumulating call

std::vector<Matrix> run(Rig& rig, const Problem& problem, const std::vector<Weight>& packed,
                        int first_row, int m, Epilogue epilogue, bool accumulate) {
  std::vector<Matrix> outs;
  GemmArgs args = {.x = problem.x.row(first_row),
                   .x_stride = problem.x.stride,
                   .m = m,
                   .k = problem.x.width,
                   .num_parts = static_cast<int>(packed.size()),
                   .parts = {},
                   .epilogue = epilogue,
                   .accumulate = accumulate};
  for (const Weight& weight : packed) {
    outs.emplace_back(m, weight.packed().n, 3, accumulate ? kResidual : kPoison);
  }
  for (std::size_t p = 0; p < packed.size(); ++p) {
    const bool writes = !(is_gated(epilogue) && p == 1);
    args.parts[p] = {.weight = &packed[p].packed(),
                     .bias = problem.has_bias ? problem.biases[p].data() : nullptr,
                     .out = writes ? outs[p].values.data() : nullptr,
                     .out_stride = outs[p].stride};
  }
  gemm(rig.ops, args);
  return outs;
}

void check_close(const Problem& problem, const std::vector<Matrix>& outs, Epilogue epilogue,
                 bool accumulate, Tolerance allowed) {
  double squares = 0;
  std::int64_t count = 0;
  for (std::size_t p = 0; p < outs.size(); ++p) {
    ASSERT_TRUE(outs[p].canaries_intact()) << "part " << p << " wrote between its rows";
    if (is_gated(epilogue) && p == 1) continue;
    for (int r = 0; r < outs[p].rows; ++r) {
      for (int c = 0; c < outs[p].width; ++c) {
        const auto i = static_cast<std::size_t>(r) * static_cast<std::size_t>(outs[p].width) +
                       static_cast<std::size_t>(c);
        double want = activate(epilogue, problem.exact[p].sum[i]);
        double size = kSteepest * problem.exact[p].size[i];
        if (is_gated(epilogue)) {
          const double up = problem.exact[1].sum[i], up_size = problem.exact[1].size[i];
          size = size * (std::fabs(up) + allowed.worst * up_size) + std::fabs(want) * up_size;
          want *= up;
        }
        if (accumulate) want += kResidual;
        const double error = outs[p].at(r, c) - want;
        const double rounding = 3e-6 * (std::fabs(want) + 1);  // of the activation, in f32
        ASSERT_LE(std::fabs(error), allowed.worst * size + rounding)
            << "part " << p << " row " << r << " column " << c << " want " << want;
        squares += error * error / (size * size + 1e-12);
        ++count;
      }
    }
  }
  if (epilogue == Epilogue::none && !accumulate && !problem.has_bias && count >= 64) {
    EXPECT_LE(std::sqrt(squares / static_cast<double>(count)), allowed.rms);
  }
}

// The whole contract at one shape.
void check_shape(const Kernels& table, const Problem& problem, int m, Precision precision,
                 Epilogue epilogue, bool accumulate) {
  SCOPED_TRACE(::testing::Message()
               << table.name << " " << dtype_name(problem.weights[0].kind) << " m=" << m
               << " k=" << problem.x.width << " n=" << problem.weights[0].n << " precision "
               << static_cast<int>(precision) << " epilogue " << static_cast<int>(epilogue)
               << (accumulate ? " accumulate" : ""));
  Rig one(table, precision, 1);
  const std::vector<Weight> packed = pack(one, problem);
  const std::vector<Matrix> outs = run(one, problem, packed, 0, m, epilogue, accumulate);
  ASSERT_NO_FATAL_FAILURE(check_close(problem, outs, epilogue, accumulate, tolerance(precision)));

  Rig three(table, precision, 3);
  const std::vector<Weight> packed_by_three = pack(three, problem);
  const std::vector<Matrix> again =
      run(three, problem, packed_by_three, 0, m, epilogue, accumulate);
  for (std::size_t p = 0; p < outs.size(); ++p) {
    ASSERT_TRUE(std::memcmp(outs[p].values.data(), again[p].values.data(),
                            sizeof(float) * outs[p].values.size()) == 0)
        << "the result depends on the number of threads";
  }
  if (precision != Precision::exact) return;
  for (const int r : {0, m / 2, m - 1}) {
    const std::vector<Matrix> alone = run(one, problem, packed, r, 1, epilogue, accumulate);
    for (std::size_t p = 0; p < outs.size(); ++p) {
      ASSERT_TRUE(testing::same_bits(outs[p].row(r), alone[p].row(0), outs[p].width))
          << "row " << r << " differs from the row alone";
    }
  }
}

constexpr Precision kPrecisions[] = {Precision::exact, Precision::standard, Precision::fast};
constexpr Epilogue kEpilogues[] = {Epilogue::none,      Epilogue::silu_mul, Epilogue::gelu_tanh_mul,
                                   Epilogue::gelu_tanh, Epilogue::gelu_erf, Epilogue::silu,
                                   Epilogue::relu};

// Every kind over odd shapes.
TEST_P(Gemm, Shapes) {
  struct Grid {
    int k, n;
    std::vector<int> ms;
  };
  const Grid grids[] = {
      {32, 1, {1, 2, 5, 16, 33}},     {64, 15, {1, 3, 15, 17, 64}},
      {96, 16, {1, 2, 8, 16}},        {256, 17, {1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 33, 64, 129}},
      {512, 48, {1, 4, 5, 16, 33}},   {576, 100, {1, 2, 3, 5, 8, 15, 16, 17, 33, 64, 129}},
      {768, 33, {1, 5, 31, 32, 129}}, {1536, 576, {1, 3, 17}},
      {4096, 16, {65, 130}},
  };
  for (const DType kind : testing::weight_kinds()) {
    for (const Grid& grid : grids) {
      if (table().packed_bytes(kind, grid.n, grid.k) == 0) {
        ASSERT_NE(grid.k % static_cast<int>(dtype_block_elements(kind)), 0)
            << table().name << " refuses " << dtype_name(kind);
        continue;
      }
      const Problem problem(kind, *std::ranges::max_element(grid.ms), grid.k, {grid.n}, false);
      for (const int m : grid.ms) {
        for (const Precision precision : kPrecisions) {
          if (&table() == &reference_kernels() && precision != Precision::exact) continue;  // alike
          ASSERT_NO_FATAL_FAILURE(
              check_shape(table(), problem, m, precision, Epilogue::none, false));
        }
      }
    }
  }
}

// Shapes that tables cut into blocks: more rows than a block, x beyond the second cache, more
// panels than a piece.
TEST_P(Gemm, Blocks) {
  if (&table() == &reference_kernels()) GTEST_SKIP() << "it has no blocks";
  struct Case {
    int m, k, n;
    Epilogue epilogue;
    bool accumulate;
  };
  const Case cases[] = {{300, 2048, 70, Epilogue::none, true},
                        {520, 2560, 40, Epilogue::silu_mul, false},
                        {70, 8192, 530, Epilogue::none, false}};
  for (const DType kind : {DType::bf16, DType::q8_0}) {
    for (const Case& c : cases) {
      std::vector<int> widths = {c.n};
      if (is_gated(c.epilogue)) widths.push_back(c.n);
      const Problem problem(kind, c.m, c.k, widths, c.accumulate);
      for (const Precision precision : {Precision::standard, Precision::fast}) {
        ASSERT_NO_FATAL_FAILURE(
            check_shape(table(), problem, c.m, precision, c.epilogue, c.accumulate));
      }
    }
  }
}

// ---- seeded bugs: the checks above must see each of them

enum class Bug { none, value, past_the_row, threads, batch };
Bug seeded = Bug::none;

void buggy_gemm(const ExecView& exec, const GemmArgs& args) {
  reference_kernels().gemm(exec, args);
  const GemmPart& part = args.parts[0];
  float& last = part.out[(args.m - 1) * part.out_stride + part.weight->n - 1];
  switch (seeded) {
    case Bug::none:
      break;
    case Bug::value:
      last += 1e-4f * static_cast<float>(args.k);
      break;
    case Bug::past_the_row:
      *(&last + 1) = 0;
      break;
    case Bug::threads:
      last += 1e-6f * static_cast<float>(exec.num_threads);
      break;
    case Bug::batch:
      last += 1e-6f * static_cast<float>(args.m);
      break;
  }
}

bool is_caught(Bug bug) {
  Kernels table = reference_kernels();
  table.name = "seeded";
  table.gemm = buggy_gemm;
  seeded = bug;
  const Problem problem(DType::q8_0, 5, 64, {20}, false);
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &failures);
    check_shape(table, problem, 5, Precision::exact, Epilogue::none, false);
  }
  return failures.size() > 0;
}

TEST(GemmChecks, SeeSeededBugs) {
  EXPECT_FALSE(is_caught(Bug::none));
  EXPECT_TRUE(is_caught(Bug::value));
  EXPECT_TRUE(is_caught(Bug::past_the_row));
  EXPECT_TRUE(is_caught(Bug::threads));
  EXPECT_TRUE(is_caught(Bug::batch));
}

// Every epilogue, with and without bias and accumulate, one part or the gated two.
TEST_P(Gemm, Epilogues) {
  for (const DType kind :
       {DType::f32, DType::bf16, DType::i8, DType::q4_1, DType::q8_0, DType::q6_k, DType::q5_0}) {
    for (const bool with_bias : {false, true}) {
      const Problem problem(kind, 50, 256, {37, 37}, with_bias);
      for (const Epilogue epilogue : kEpilogues) {
        for (const int m : {1, 4, 18, 50}) {
          for (const bool accumulate : {false, true}) {
            for (const Precision precision : {Precision::exact, Precision::standard}) {
              ASSERT_NO_FATAL_FAILURE(
                  check_shape(table(), problem, m, precision, epilogue, accumulate));
            }
          }
        }
      }
    }
  }
}

// q, k and v of nine heads and three KV heads in one call, and four parts of odd sizes.
TEST_P(Gemm, Parts) {
  for (const DType kind : {DType::f32, DType::f16, DType::q4_0, DType::q4_1, DType::q8_0}) {
    const Problem qkv(kind, 20, 576, {576, 192, 192}, true);
    const Problem odd(kind, 20, 96, {1, 47, 16, 100}, false);
    for (const int m : {1, 2, 5, 20}) {
      for (const Precision precision : kPrecisions) {
        ASSERT_NO_FATAL_FAILURE(check_shape(table(), qkv, m, precision, Epilogue::none, false));
        ASSERT_NO_FATAL_FAILURE(check_shape(table(), odd, m, precision, Epilogue::silu, false));
      }
    }
  }
}

// GPT-2 stores [k, n]: packing transposes, for sizes that are not whole blocks too.
TEST_P(Gemm, TransposedSource) {
  constexpr int kN = 37, kK = 50;
  for (const DType kind : {DType::f32, DType::f16, DType::bf16}) {
    const SourceWeight w(kind, kN, kK, 3);
    const std::size_t element = dtype_block_bytes(kind);
    std::vector<std::uint8_t> transposed(element * kN * kK);
    for (std::size_t r = 0; r < kN; ++r) {
      for (std::size_t c = 0; c < kK; ++c) {
        std::memcpy(transposed.data() + (c * kN + r) * element,
                    w.bytes.data() + r * static_cast<std::size_t>(w.row_bytes) + c * element,
                    element);
      }
    }
    Rig rig(table(), Precision::exact);
    PackArgs args = w.pack_args();
    const Weight straight(rig.ops, args);
    args.source = transposed.data();
    args.source_row_bytes = static_cast<std::int64_t>(element) * kN;
    args.transposed = true;
    const Weight turned(rig.ops, args);
    ASSERT_EQ(straight.packed().bytes, turned.packed().bytes);
    EXPECT_EQ(std::memcmp(straight.packed().data, turned.packed().data, straight.packed().bytes),
              0);
  }
}

// Zeros are exact whatever the precision (a padded row must not invent anything), and scale by a
// power of two scales the result.
TEST_P(Gemm, ZeroAndTinyRows) {
  const SourceWeight w(DType::q4_1, 33, 64, 5);
  for (const Precision precision : kPrecisions) {
    Rig rig(table(), precision);
    const Weight packed(rig.ops, w.pack_args());
    Matrix x(3, 64, 0, 0.0f);
    for (int c = 0; c < 64; ++c) x.at(1, c) = c % 2 == 0 ? 1e-30f : -1e-30f;
    for (int c = 0; c < 64; ++c) x.at(2, c) = c == 7 ? 1e4f : 1e-4f;
    Matrix out(3, 33, 1, kPoison);
    gemm(rig.ops, {.x = x.values.data(),
                   .x_stride = 64,
                   .m = 3,
                   .k = 64,
                   .num_parts = 1,
                   .parts = {{&packed.packed(), nullptr, out.values.data(), out.stride}},
                   .epilogue = Epilogue::none,
                   .accumulate = false});
    for (int c = 0; c < 33; ++c) {
      EXPECT_EQ(out.at(0, c), 0.0f);
      EXPECT_LT(std::fabs(out.at(1, c)), 1e-27f);
      EXPECT_NEAR(out.at(2, c), 1e4 * w.row(c)[7], 1e4 * std::fabs(w.row(c)[7]) * 1e-2 + 1.0);
    }
  }
}

// A NaN or an infinity fails its own row, visibly, and no other.
TEST_P(Gemm, BrokenRowsStayAlone) {
  for (const DType kind : testing::weight_kinds()) {
    const SourceWeight w(kind, 24, 256, 13);
    for (const Precision precision : kPrecisions) {
      for (const int m : {4, 37}) {
        SCOPED_TRACE(::testing::Message() << table().name << " " << dtype_name(kind) << " m=" << m
                                          << " precision " << static_cast<int>(precision));
        Rig rig(table(), precision);
        const Weight packed(rig.ops, w.pack_args());
        Matrix x = Matrix::random(m, 256, 0, 3);
        const auto product = [&] {
          Matrix out(m, 24, 0, kPoison);
          gemm(rig.ops, {.x = x.values.data(),
                         .x_stride = 256,
                         .m = m,
                         .k = 256,
                         .num_parts = 1,
                         .parts = {{&packed.packed(), nullptr, out.values.data(), out.stride}},
                         .epilogue = Epilogue::none,
                         .accumulate = false});
          return out;
        };
        const Matrix whole = product();
        x.at(1, 100) = kPoison;
        x.at(3, 200) = std::numeric_limits<float>::infinity();
        const Matrix broken = product();
        for (int r = 0; r < m; ++r) {
          for (int c = 0; c < 24; ++c) {
            if (r == 1 || r == 3) {
              ASSERT_FALSE(std::isfinite(broken.at(r, c))) << "row " << r << " column " << c;
            } else {
              ASSERT_EQ(broken.at(r, c), whole.at(r, c)) << "row " << r << " column " << c;
            }
          }
        }
      }
    }
  }
}

// Exactly the scratch that was asked for is enough.
TEST_P(Gemm, ScratchIsEnough) {
  for (const DType kind : testing::weight_kinds()) {
    const SourceWeight w(kind, 40, 256, 17);
    for (const Precision precision : kPrecisions) {
      for (const int m : {1, 3, 70}) {
        Rig rig(table(), precision);
        const Weight packed(rig.ops, w.pack_args());
        const Matrix x = Matrix::random(m, 256, 0, 3);
        Matrix out(m, 40, 0, kPoison);
        const GemmArgs args = {
            .x = x.values.data(),
            .x_stride = 256,
            .m = m,
            .k = 256,
            .num_parts = 1,
            .parts = {{&packed.packed(), nullptr, out.values.data(), out.stride}},
            .epilogue = Epilogue::none,
            .accumulate = false};
        ExecView view = rig.exec.view(0);
        const std::size_t bytes = table().gemm_scratch(view, args);
        Buffer scratch(bytes + 256);
        std::memset(scratch.data(), 0x5a, scratch.size());
        view.scratch = scratch.data();
        view.scratch_bytes = bytes;
        table().gemm(view, args);
        for (std::size_t i = bytes; i < bytes + 256; ++i) {
          ASSERT_EQ(scratch.data()[i], std::byte{0x5a})
              << table().name << " " << dtype_name(kind) << " m=" << m;
        }
      }
    }
  }
}

TEST_P(Gemm, GatherRowsAreExact) {
  for (const DType kind : testing::weight_kinds()) {
    const SourceWeight w(kind, 71, 256, 9);
    Rig rig(table());
    const Weight packed(rig.ops, w.pack_args());
    const std::vector<std::int32_t> ids = {70, 0, 3, 3, 16, 15, 31, 69};
    Matrix out(static_cast<int>(ids.size()), 256, 3, kPoison);
    gather_rows(rig.ops, {.weight = &packed.packed(),
                          .ids = ids.data(),
                          .count = out.rows,
                          .out = out.values.data(),
                          .out_stride = out.stride});
    EXPECT_TRUE(out.canaries_intact());
    for (int i = 0; i < out.rows; ++i) {
      for (int c = 0; c < 256; ++c) {
        const float want = w.row(ids[static_cast<std::size_t>(i)])[c];
        ASSERT_NEAR(out.at(i, c), want, 1e-6f * std::fabs(want) + 1e-8f)
            << table().name << " " << dtype_name(kind) << " id " << ids[static_cast<std::size_t>(i)]
            << " column " << c;
      }
    }
  }
}

// Packing writes only inside packed_bytes().
TEST_P(Gemm, PackStaysInside) {
  for (const DType kind : testing::weight_kinds()) {
    for (const int n : {1, 17, 64, 100}) {
      const SourceWeight w(kind, n, 256, 11);
      const std::size_t bytes = table().packed_bytes(kind, n, 256);
      Buffer memory(bytes + 64);
      std::memset(memory.data() + bytes, 0x5a, 64);
      PackedWeight packed = {
          .kind = kind, .n = n, .k = 256, .group = 0, .data = memory.data(), .bytes = bytes};
      table().pack_weight(w.pack_args(), &packed);
      for (std::size_t i = bytes; i < bytes + 64; ++i) {
        ASSERT_EQ(memory.data()[i], std::byte{0x5a}) << table().name << " " << dtype_name(kind);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::kernels
