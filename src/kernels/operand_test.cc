// Operands of every runnable table that has any: whoever writes them and whoever reads them make
// the same, to the bit, as f32 rows between them would.
#include "kernels/testing.h"

namespace millrace::kernels::testing {
namespace {

class Operands : public EveryTable {};
INSTANTIATE_TEST_SUITE_P(Kernels, Operands, ::testing::ValuesIn(runnable_kernels()),
                         testing::table_name);

struct Size {
  int rows, hidden, inner;
};

// The rows of an operand begin as NaN: the rows behind the last one must not reach a result.
Buffer make_operand(const Kernels& table, int rows, int width) {
  Buffer memory(operand_bytes(table, rows, width));
  std::memset(memory.data(), 0xff, memory.size());
  return memory;
}

GemmArgs product(const Matrix& x, const Weight& weight, Matrix* out) {
  return {.x = x.values.data(),
          .x_stride = x.stride,
          .m = x.rows,
          .k = x.width,
          .num_parts = 1,
          .parts = {{.weight = &weight.packed(),
                     .bias = nullptr,
                     .out = out == nullptr ? nullptr : out->values.data(),
                     .out_stride = out == nullptr ? 0 : out->stride}},
          .epilogue = Epilogue::none,
          .accumulate = false};
}

// A layer's second half: norm, gate and up, down.
class Layer {
 public:
  Layer(const Kernels& table, DType kind, const Size& size)
      : rig_(table),
        size_(size),
        gate_(rig_.ops, SourceWeight(kind, size.inner, size.hidden, 1).pack_args()),
        up_(rig_.ops, SourceWeight(kind, size.inner, size.hidden, 2).pack_args()),
        down_(rig_.ops, SourceWeight(kind, size.hidden, size.inner, 3).pack_args()),
        norm_weight_(normals(static_cast<std::size_t>(size.hidden), 4)),
        norm_bias_(normals(static_cast<std::size_t>(size.hidden), 5)),
        hidden_(Matrix::random(size.rows, size.hidden, 5, 6)) {}

  bool has_operands() { return forms().first != 0; }

  Matrix run(bool layer_norm, bool with_operands) {
    Matrix normed(size_.rows, size_.hidden, 3, kPoison), inner(size_.rows, size_.inner, 3, kPoison);
    Matrix out = Matrix::random(size_.rows, size_.hidden, 2, 7);
    GemmArgs first = up_product(normed, &inner), second = product(inner, down_, &out);
    second.accumulate = true;
    Buffer of_norm, of_inner;
    if (with_operands) {
      of_norm = make_operand(rig_.ops.table, size_.rows, size_.hidden);
      of_inner = make_operand(rig_.ops.table, size_.rows, size_.inner);
      first.x_operand = {.form = forms().first, .data = of_norm.data()};
      second.x_operand = {.form = forms().second, .data = of_inner.data()};
      first.out_operand = second.x_operand;
      first.x = second.x = nullptr;
      first.parts[0].out = nullptr;
    }
    norm(layer_norm, normed, first.x_operand);
    gemm(rig_.ops, first);
    gemm(rig_.ops, second);
    if (with_operands) {
      EXPECT_TRUE(std::isnan(normed.at(0, 0)) && std::isnan(inner.at(0, 0)));
    }
    return out;
  }

 private:
  GemmArgs up_product(const Matrix& normed, Matrix* inner) const {
    GemmArgs args = product(normed, gate_, inner);
    args.num_parts = 2;
    args.parts[1] = {.weight = &up_.packed(), .bias = nullptr, .out = nullptr, .out_stride = 0};
    args.epilogue = Epilogue::silu_mul;
    return args;
  }
  std::pair<int, int> forms() {
    Matrix normed(size_.rows, size_.hidden, 0, 0), inner(size_.rows, size_.inner, 0, 0);
    return {operand_form(rig_.ops, up_product(normed, nullptr)),
            operand_form(rig_.ops, product(inner, down_, nullptr))};
  }
  void norm(bool layer_norm_kind, Matrix& normed, const Operand& operand) {
    const NormArgs args = {.x = hidden_.values.data(),
                           .x_stride = hidden_.stride,
                           .weight = norm_weight_.data(),
                           .bias = layer_norm_kind ? norm_bias_.data() : nullptr,
                           .out = normed.values.data(),
                           .out_stride = normed.stride,
                           .rows = size_.rows,
                           .width = size_.hidden,
                           .eps = 1e-5f,
                           .weight_offset = 0,
                           .out_operand = operand};
    layer_norm_kind ? layer_norm(rig_.ops, args) : rms_norm(rig_.ops, args);
  }

  Rig rig_;
  Size size_;
  Weight gate_, up_, down_;
  std::vector<float> norm_weight_, norm_bias_;
  Matrix hidden_;
};

void expect_same(const Matrix& a, const Matrix& b) {
  for (int r = 0; r < a.rows; ++r) {
    ASSERT_TRUE(same_bits(a.row(r), b.row(r), a.width)) << "row " << r;
  }
}

TEST_P(Operands, ChangeNoBit) {
  if (table().operand_form == nullptr) GTEST_SKIP() << "products of this table read f32";
  // Rows that fill no tile, that fill some, and more than a block of a wide k has.
  for (const Size& size : {Size{9, 256, 512}, Size{48, 576, 1280}, Size{300, 2304, 256}}) {
    for (const DType kind : weight_kinds()) {
      if (size.hidden % static_cast<int>(dtype_block_elements(kind)) != 0) continue;
      SCOPED_TRACE(std::string(dtype_name(kind)) + ", " + std::to_string(size.rows) + " rows");
      Layer layer(table(), kind, size);
      ASSERT_TRUE(layer.has_operands());
      for (const bool layer_norm : {false, true}) {
        expect_same(layer.run(layer_norm, true), layer.run(layer_norm, false));
      }
    }
  }
}

TEST_P(Operands, AreNotOfferedWhereF32IsRead) {
  if (table().operand_form == nullptr) GTEST_SKIP() << "products of this table read f32";
  Rig exact(table(), Precision::exact), standard(table());
  const SourceWeight source(DType::q8_0, 64, 128, 1), odd(DType::bf16, 64, 100, 1);
  const Weight weight(exact.ops, source.pack_args()), odd_weight(exact.ops, odd.pack_args());
  const Matrix many(40, 128, 0, 0), one(1, 128, 0, 0), of_odd(40, 100, 0, 0);
  EXPECT_EQ(operand_form(exact.ops, product(many, weight, nullptr)), 0);
  EXPECT_EQ(operand_form(standard.ops, product(one, weight, nullptr)), 0);
  EXPECT_EQ(operand_form(standard.ops, product(of_odd, odd_weight, nullptr)), 0);
  EXPECT_NE(operand_form(standard.ops, product(many, weight, nullptr)), 0);
}

}  // namespace
}  // namespace millrace::kernels::testing
