// Row operations of every runnable table against f64, and the reference dequantisers against
// another implementation. gemm_test.cc and attention_test.cc do the same for the larger ops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "kernels/testing.h"

namespace millrace::kernels {
namespace {

using testing::EveryTable;
using testing::kPoison;
using testing::Matrix;
using testing::Rig;

class Rows : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Kernels, Rows, ::testing::ValuesIn(runnable_kernels()),
                         testing::table_name);

constexpr int kWidths[] = {1, 2, 7, 8, 15, 16, 17, 64, 100, 576, 1536, 4099};
constexpr int kRowCounts[] = {1, 2, 5, 33};

TEST(Dequantize, MatchesTheGgufPackage) {
  const auto text = read_file(
      std::string(MILLRACE_SOURCE_DIR) + "/src/kernels/goldens/gguf_blocks.json", 1 << 20);
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const auto goldens = parse_json(*text);
  ASSERT_TRUE(goldens.has_value());
  int checked = 0;
  for (const DType kind : testing::weight_kinds()) {
    const json::value* golden = goldens->as_object().if_contains(dtype_name(kind));
    if (golden == nullptr) continue;
    const std::string hex(golden->at("hex").as_string().c_str());
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    const json::array& want = golden->at("values").as_array();
    const int k = static_cast<int>(want.size());
    ASSERT_EQ(reference::row_bytes(kind, k), bytes.size());
    std::vector<float> got(want.size());
    reference::dequantize_row(kind, bytes.data(), k, 1.0f, got.data());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double value = want[i].to_number<double>();
      ASSERT_NEAR(got[i], value, 2e-6 * std::fabs(value) + 1e-7)
          << dtype_name(kind) << " element " << i;
    }
    ++checked;
  }
  EXPECT_EQ(checked, 8);
}

TEST(Scalar, SixteenBitFloats) {
  EXPECT_EQ(reference::f16_to_f32(0x3c00), 1.0f);
  EXPECT_EQ(reference::f16_to_f32(0xc000), -2.0f);
  EXPECT_EQ(reference::f16_to_f32(0x7bff), 65504.0f);
  EXPECT_EQ(reference::f16_to_f32(0x0001), 0x1p-24f);
  EXPECT_EQ(reference::f16_to_f32(0x83ff), -1023 * 0x1p-24f);
  EXPECT_TRUE(std::isinf(reference::f16_to_f32(0x7c00)));
  EXPECT_TRUE(std::isnan(reference::f16_to_f32(0x7e00)));
  EXPECT_EQ(reference::f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(reference::f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80) << "tie to even";
  EXPECT_EQ(reference::f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82) << "tie to even";
  EXPECT_EQ(reference::f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_TRUE(std::isnan(
      reference::bf16_to_f32(reference::f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

struct NormCase {
  bool layer, in_place;
  int rows, width;
  float offset;
};

void check_norm(const Kernels& table, const NormCase& with) {
  SCOPED_TRACE(::testing::Message() << table.name << (with.layer ? " layer_norm " : " rms_norm ")
                                    << with.rows << "x" << with.width);
  Matrix x = Matrix::random(with.rows, with.width, 3, 1);
  for (float& value : x.values) value += 0.5f;  // a mean to remove
  x.fill_padding(testing::kCanary);
  const Matrix before = x;
  const auto width = static_cast<std::size_t>(with.width);
  const std::vector<float> weight = testing::normals(width, 2);
  const std::vector<float> bias = testing::normals(width, 3);
  Matrix separate(with.rows, with.width, 2, kPoison);
  Matrix& out = with.in_place ? x : separate;
  const NormArgs args = {.x = x.values.data(),
                         .x_stride = x.stride,
                         .weight = weight.data(),
                         .bias = with.layer ? bias.data() : nullptr,
                         .out = out.values.data(),
                         .out_stride = out.stride,
                         .rows = with.rows,
                         .width = with.width,
                         .eps = 1e-5f,
                         .weight_offset = with.offset};
  Rig rig(table, Precision::standard, 3);
  with.layer ? layer_norm(rig.ops, args) : rms_norm(rig.ops, args);
  ASSERT_TRUE(out.canaries_intact());
  for (int r = 0; r < with.rows; ++r) {
    double mean = 0, squares = 0;
    for (int c = 0; c < with.width; ++c) mean += before.at(r, c);
    mean = with.layer ? mean / with.width : 0;
    for (int c = 0; c < with.width; ++c) squares += std::pow(before.at(r, c) - mean, 2);
    const double scale = 1 / std::sqrt(squares / with.width + 1e-5f);
    for (int c = 0; c < with.width; ++c) {
      const auto i = static_cast<std::size_t>(c);
      const double want =
          (before.at(r, c) - mean) * scale * (static_cast<double>(weight[i]) + with.offset) +
          (with.layer ? bias[i] : 0);
      // A layer norm of few elements divides a rounding error by sqrt(eps).
      const double slack = with.layer && with.width < 8 ? 2e-4 : 2e-5;
      ASSERT_NEAR(out.at(r, c), want, slack * (1 + std::fabs(want))) << "row " << r << " " << c;
    }
  }
}

TEST_P(Rows, Norms) {
  for (const int width : kWidths) {
    for (const int rows : kRowCounts) {
      check_norm(table(), {false, false, rows, width, 0});
      check_norm(table(), {false, true, rows, width, 1});
      check_norm(table(), {true, false, rows, width, 0});
      check_norm(table(), {true, true, rows, width, 0});
    }
  }
}

TEST_P(Rows, Rope) {
  struct Shape {
    int heads, head_dim, rotary;
  };
  for (const Shape& s : {Shape{9, 64, 64}, Shape{3, 80, 32}, Shape{1, 6, 4}, Shape{2, 128, 128},
                         Shape{2, 20, 20}, Shape{4, 96, 48}}) {
    for (const bool interleaved : {false, true}) {
      SCOPED_TRACE(::testing::Message() << table().name << " head_dim " << s.head_dim << " rotary "
                                        << s.rotary << " interleaved " << interleaved);
      const std::vector<std::int32_t> positions = {0, 7, 7, 99, 1};
      const int tokens = static_cast<int>(positions.size()), half = s.rotary / 2;
      Matrix cosine(100, half, 0, 0), sine(100, half, 0, 0);
      for (int p = 0; p < 100; ++p) {
        for (int i = 0; i < half; ++i) {
          const double angle = p * std::pow(10000.0, -2.0 * i / s.rotary);
          cosine.at(p, i) = static_cast<float>(std::cos(angle));
          sine.at(p, i) = static_cast<float>(std::sin(angle));
        }
      }
      Matrix x = Matrix::random(tokens, s.heads * s.head_dim, 5, 8);
      const Matrix before = x;
      Rig rig(table());
      rope(rig.ops, {.x = x.values.data(),
                     .x_stride = x.stride,
                     .tokens = tokens,
                     .heads = s.heads,
                     .head_dim = s.head_dim,
                     .rotary_dim = s.rotary,
                     .interleaved = interleaved,
                     .positions = positions.data(),
                     .cosine = cosine.values.data(),
                     .sine = sine.values.data()});
      Matrix want = before;
      for (int t = 0; t < tokens; ++t) {
        for (int h = 0; h < s.heads; ++h) {
          for (int i = 0; i < half; ++i) {
            const int a = h * s.head_dim + (interleaved ? 2 * i : i);
            const int b = h * s.head_dim + (interleaved ? 2 * i + 1 : i + half);
            const int p = positions[static_cast<std::size_t>(t)];
            const double c = cosine.at(p, i), n = sine.at(p, i);
            want.at(t, a) = static_cast<float>(before.at(t, a) * c - before.at(t, b) * n);
            want.at(t, b) = static_cast<float>(before.at(t, b) * c + before.at(t, a) * n);
          }
        }
      }
      for (std::size_t i = 0; i < want.values.size(); ++i) {
        ASSERT_NEAR(x.values[i], want.values[i], 1e-6 * (1 + std::fabs(want.values[i])));
      }
    }
  }
}

TEST_P(Rows, Add) {
  for (const int width : kWidths) {
    for (const int rows : kRowCounts) {
      const Matrix x = Matrix::random(rows, width, 0, 1), y = Matrix::random(rows, width, 0, 2);
      Matrix out(rows + 1, width, 0, kPoison);  // the last row must stay poison
      Rig rig(table());
      add_rows(rig.ops, {x.values.data(), y.values.data(), out.values.data(), rows, width});
      Matrix in_place = x;
      add_rows(rig.ops,
               {in_place.values.data(), y.values.data(), in_place.values.data(), rows, width});
      for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < width; ++c) {
          ASSERT_EQ(out.at(r, c), x.at(r, c) + y.at(r, c));
          ASSERT_EQ(in_place.at(r, c), x.at(r, c) + y.at(r, c));
        }
      }
      for (int c = 0; c < width; ++c) ASSERT_TRUE(std::isnan(out.at(rows, c)));
    }
  }
}

std::vector<RowStats> stats_of(const Kernels& table, const Matrix& x, int threads = 2) {
  std::vector<RowStats> out(static_cast<std::size_t>(x.rows));
  Rig rig(table, Precision::standard, threads);
  row_stats(rig.ops, {.x = x.values.data(),
                      .x_stride = x.stride,
                      .rows = x.rows,
                      .width = x.width,
                      .out = out.data()});
  return out;
}

TEST_P(Rows, RowStats) {
  for (const int width : {1, 2, 7, 8, 9, 16, 31, 100, 4099, 49152}) {
    for (const int rows : {1, 3, 9}) {
      Matrix x = Matrix::random(rows, width, 3, 5);
      for (float& value : x.values) value *= 8;
      x.fill_padding(1e30f);
      const std::vector<RowStats> stats = stats_of(table(), x);
      const std::vector<RowStats> again = stats_of(table(), x, 5);
      for (int r = 0; r < rows; ++r) {
        const RowStats& got = stats[static_cast<std::size_t>(r)];
        const float* row = x.row(r);
        const auto largest = std::max_element(row, row + width);
        ASSERT_EQ(got.max, *largest);
        ASSERT_EQ(got.argmax, largest - row);
        double sum = 0;
        for (int c = 0; c < width; ++c) sum += std::exp(static_cast<double>(row[c]) - *largest);
        ASSERT_NEAR(got.log_sum_exp, *largest + std::log(sum), 1e-5 * (1 + std::fabs(*largest)));
        ASSERT_EQ(got.log_sum_exp, again[static_cast<std::size_t>(r)].log_sum_exp);
      }
    }
  }
}

TEST_P(Rows, RowStatsOfTiesAndInfinities) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const int width : {5, 40, 300}) {
    Matrix x(5, width, 0, -3.0f);
    x.at(0, width - 1) = x.at(0, width / 2) = x.at(0, 3) = 2.0f;  // a tie: the lowest index wins
    for (int c = 0; c < width; ++c) x.at(1, c) = -kInf;           // all but one masked
    x.at(1, 4) = 1.5f;
    x.at(2, width / 2) = kPoison;                           // NaN must show
    for (int c = 0; c < width; ++c) x.at(3, c) = 3e38f;     // no overflow
    for (int c = 0; c < width; ++c) x.at(4, c) = -1000.0f;  // all equal: index 0
    const std::vector<RowStats> stats = stats_of(table(), x);
    EXPECT_EQ(stats[0].argmax, width / 2 < 3 ? width / 2 : 3);
    EXPECT_EQ(stats[0].max, 2.0f);
    EXPECT_EQ(stats[1].argmax, 4);
    EXPECT_EQ(stats[1].log_sum_exp, 1.5f);
    EXPECT_TRUE(std::isnan(stats[2].log_sum_exp));
    EXPECT_FLOAT_EQ(stats[3].log_sum_exp, 3e38f);
    EXPECT_EQ(stats[4].argmax, 0);
    EXPECT_NEAR(stats[4].log_sum_exp, -1000.0 + std::log(width), 1e-3);
  }
}

}  // namespace
}  // namespace millrace::kernels
