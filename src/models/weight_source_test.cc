#include "models/weight_source.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "kernels/select.h"
#include "tensor/compute_pool.h"

namespace millrace::models {
namespace {

// Tensors in memory.
class FakeFile final : public weights::WeightFile {
 public:
  void add(const std::string& name, DType dtype, Shape shape, std::vector<std::byte> bytes) {
    data_[name] = std::move(bytes);
    tensors_[name] = {data_[name].data(), dtype, shape};
  }
  void add_floats(const std::string& name, Shape shape, const std::vector<float>& values) {
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    add(name, DType::f32, shape, {bytes, bytes + values.size() * sizeof(float)});
  }
  const TensorView* find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }
  std::vector<std::string> names() const override { return {}; }
  const std::map<std::string, weights::MetaValue, std::less<>>& metadata() const override {
    return metadata_;
  }
  void release(const TensorView& tensor) const override { ++released_[tensor.data]; }
  std::uint64_t num_bytes() const override { return 1000; }
  int num_released(const std::string& name) const { return released_[find(name)->data]; }

 private:
  std::map<std::string, std::vector<std::byte>> data_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, weights::MetaValue, std::less<>> metadata_;
  mutable std::map<const void*, int> released_;
};

// The reference table, but for what it says it can hold.
kernels::Kernels picky_table(std::size_t (*packed_bytes)(DType, int, int)) {
  kernels::Kernels table = **kernels::select_kernels("reference");
  table.packed_bytes = packed_bytes;
  return table;
}
std::size_t plain_only(DType kind, int n, int k) {
  const bool plain = kind == DType::f32 || kind == DType::f16 || kind == DType::bf16;
  return plain ? static_cast<std::size_t>(n) * static_cast<std::size_t>(k) * dtype_block_bytes(kind)
               : 0;
}
std::size_t nothing(DType, int, int) {
  return 0;
}

std::vector<float> counting(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(i));
  return values;
}

class WeightSourceTest : public testing::Test {
 protected:
  std::vector<float> rows_of(const kernels::Weight& weight, kernels::Ops& ops) {
    const kernels::PackedWeight& packed = weight.packed();
    std::vector<std::int32_t> ids;
    for (int i = 0; i < packed.n; ++i) ids.push_back(i);
    std::vector<float> out(static_cast<std::size_t>(packed.n * packed.k));
    kernels::gather_rows(ops, {.weight = &packed,
                               .ids = ids.data(),
                               .count = packed.n,
                               .out = out.data(),
                               .out_stride = packed.k});
    return out;
  }

  FakeFile file_;
  ComputePool pool_{1};
  Exec exec_{pool_, Precision::standard};
  Exec exact_{pool_, Precision::exact};
  kernels::Ops ops_{**kernels::select_kernels("reference"), exec_};
};

TEST_F(WeightSourceTest, SlicesOfAFusedTensor) {
  file_.add_floats("qkv.weight", {6, 2}, counting(12));
  file_.add_floats("qkv.bias", {6}, counting(6));
  WeightSource source(file_, ops_);
  const Linear middle = source.linear({.name = "qkv",
                                       .n = 2,
                                       .k = 2,
                                       .bias = true,
                                       .transposed = false,
                                       .first_row = 2,
                                       .total_rows = 6});
  ASSERT_TRUE(source.status().has_value()) << source.status().error().message;
  EXPECT_EQ(rows_of(middle.weight, ops_), (std::vector<float>{4, 5, 6, 7}));
  EXPECT_EQ(middle.bias, (std::vector<float>{2, 3}));
  EXPECT_EQ(file_.num_released("qkv.weight"), 0);  // the last rows are still to come
  source.linear({.name = "qkv",
                 .n = 2,
                 .k = 2,
                 .bias = false,
                 .transposed = false,
                 .first_row = 4,
                 .total_rows = 6});
  EXPECT_EQ(file_.num_released("qkv.weight"), 1);
  EXPECT_EQ(source.num_parameters(), 4 + 2 + 4);
}

TEST_F(WeightSourceTest, SlicesOfATransposedTensor) {
  file_.add_floats("c.weight", {2, 6}, counting(12));  // [in, out]
  for (const auto& table : {**kernels::select_kernels("reference"), picky_table(plain_only)}) {
    kernels::Ops ops{table, exec_};
    WeightSource source(file_, ops);
    const Linear middle = source.linear({.name = "c",
                                         .n = 2,
                                         .k = 2,
                                         .bias = false,
                                         .transposed = true,
                                         .first_row = 2,
                                         .total_rows = 6});
    EXPECT_EQ(rows_of(middle.weight, ops), (std::vector<float>{2, 8, 3, 9}));
  }
}

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

// Codes of 8 bits and their scales, in the file's rows, also where floats would be transposed.
TEST_F(WeightSourceTest, OwnBytesBringTheirScales) {
  file_.add("c.weight", DType::i8, {3, 2}, bytes_of({1, -2, 3, 4, 100, -127}));
  file_.add_floats("c.weight_scale", {3}, {1, 0.5f, 2});
  const LinearSpec spec{.name = "c",
                        .n = 2,
                        .k = 2,
                        .bias = false,
                        .transposed = true,
                        .first_row = 1,
                        .total_rows = 3};
  for (const auto& table : {**kernels::select_kernels("reference"), picky_table(plain_only)}) {
    kernels::Ops ops{table, exec_};
    WeightSource source(file_, ops);
    const Linear linear = source.linear(spec);
    ASSERT_TRUE(source.status().has_value()) << source.status().error().message;
    EXPECT_EQ(rows_of(linear.weight, ops), (std::vector<float>{1.5f, 2, 200, -254}));
    EXPECT_EQ(source.num_parameters(), 4);
  }
}

TEST_F(WeightSourceTest, OwnKindsWithoutSoundScalesAreRefused) {
  const float infinity = std::numeric_limits<float>::infinity();
  file_.add("none.weight", DType::i8, {1, 2}, bytes_of({1, 2}));
  file_.add("odd.weight", DType::i8, {1, 2}, bytes_of({1, 2}));
  file_.add_floats("odd.weight_scale", {2}, {1, 1});
  file_.add("wild.weight", DType::i8, {1, 2}, bytes_of({1, 2}));
  file_.add_floats("wild.weight_scale", {1}, {infinity});
  std::vector<std::byte> group(36);
  group[1] = std::byte{0x7c};  // d is infinite in f16
  file_.add("group.weight", DType::q4_g64, {1, 64}, group);
  struct {
    const char* name;
    int k;
    const char* error;
  } const cases[] = {{"none", 2, "none.weight_scale is missing"},
                     {"odd", 2, "odd.weight_scale is [2], expected [1]"},
                     {"wild", 2, "not finite"},
                     {"group", 64, "group.weight holds a scale that is not finite"}};
  for (const auto& c : cases) {
    WeightSource source(file_, ops_);
    EXPECT_TRUE(source.linear({.name = c.name, .n = 1, .k = c.k}).weight.empty());
    ASSERT_FALSE(source.status().has_value()) << c.name;
    EXPECT_NE(source.status().error().message.find(c.error), std::string::npos)
        << source.status().error().message;
  }
}

// The same rows whichever way the file lies, biases untouched, tables that are only looked up too.
TEST_F(WeightSourceTest, FloatsAreQuantisedWhenAsked) {
  std::vector<float> straight(6 * 64), turned(6 * 64);
  for (std::size_t r = 0; r < 6; ++r) {
    for (std::size_t c = 0; c < 64; ++c) {
      const float value = std::sin(static_cast<float>(r * 64 + c));
      straight[r * 64 + c] = turned[c * 6 + r] = value;
    }
  }
  file_.add_floats("a.weight", {6, 64}, straight);
  file_.add_floats("a.bias", {6}, counting(6));
  file_.add_floats("b.weight", {64, 6}, turned);
  file_.add_floats("table.weight", {6, 64}, straight);
  WeightSource source(file_, ops_, {}, Quantization::int4_g128);
  const LinearSpec slice{
      .name = "a", .n = 3, .k = 64, .bias = true, .first_row = 2, .total_rows = 6};
  const Linear a = source.linear(slice);
  LinearSpec other = slice;
  other.name = "b";
  other.bias = false;
  other.transposed = true;
  const Linear b = source.linear(other);
  const kernels::Weight head = source.matrix("table", 6, 64);
  const kernels::Weight table = source.table("table", 6, 64);
  ASSERT_TRUE(source.status().has_value()) << source.status().error().message;
  EXPECT_TRUE(source.has_quantised());
  EXPECT_EQ(a.weight.packed().kind, DType::q4_g64);
  EXPECT_EQ(head.packed().kind, DType::i8) << "never less than 8 bits";
  EXPECT_EQ(table.packed().kind, DType::f32);
  EXPECT_EQ(a.bias, (std::vector<float>{2, 3, 4}));
  const std::vector<float> rows = rows_of(a.weight, ops_);
  EXPECT_EQ(rows_of(b.weight, ops_), rows);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(rows[i], straight[2 * 64 + i], 0.08);
  const std::vector<float> bytes = rows_of(head, ops_);
  for (std::size_t i = 0; i < bytes.size(); ++i) EXPECT_NEAR(bytes[i], straight[i], 0.5 / 127);
}

TEST_F(WeightSourceTest, QuantisationRefusesWhatIsNotFinite) {
  std::vector<float> values = counting(64);
  values[7] = std::numeric_limits<float>::infinity();
  file_.add_floats("a.weight", {2, 32}, values);
  WeightSource source(file_, ops_, {}, Quantization::int8);
  source.linear({.name = "a", .n = 2, .k = 32});
  ASSERT_FALSE(source.status().has_value());
  EXPECT_EQ(source.status().error().message, "tensor a.weight holds a value that is not finite");
}

TEST_F(WeightSourceTest, KindsTheTableCannotHoldAreRounded) {
  // q5_0: scale 0.5 (f16 0x3800), quants 0 … 31 minus 16.
  std::vector<std::byte> block(22);
  block[1] = std::byte{0x38};
  for (std::size_t i = 0; i < 4; ++i) block[2 + i] = i < 2 ? std::byte{0} : std::byte{0xff};
  for (std::size_t i = 0; i < 16; ++i) block[6 + i] = static_cast<std::byte>(i | i << 4);
  file_.add("w.weight", DType::q5_0, {1, 32}, block);
  std::vector<float> expected;
  for (int i = 0; i < 32; ++i) expected.push_back(0.5f * static_cast<float>(i - 16));

  const kernels::Kernels table = picky_table(plain_only);
  kernels::Ops standard{table, exec_};
  WeightSource rounded(file_, standard);
  const kernels::Weight f16 = rounded.matrix("w", 1, 32);
  EXPECT_EQ(f16.packed().kind, DType::f16);
  EXPECT_EQ(rows_of(f16, standard), expected);

  kernels::Ops exact{table, exact_};
  WeightSource kept(file_, exact);
  const kernels::Weight f32 = kept.matrix("w", 1, 32);
  EXPECT_EQ(f32.packed().kind, DType::f32);
  EXPECT_EQ(rows_of(f32, exact), expected);
  EXPECT_EQ(kept.packed_bytes(), 32 * 4);

  WeightSource own(file_, ops_);  // the reference table holds it as it is
  EXPECT_EQ(own.matrix("w", 1, 32).packed().kind, DType::q5_0);
}

TEST_F(WeightSourceTest, ATableThatHoldsNothingIsAnError) {
  file_.add_floats("w.weight", {2, 2}, counting(4));
  const kernels::Kernels table = picky_table(nothing);
  kernels::Ops ops{table, exec_};
  WeightSource source(file_, ops);
  EXPECT_TRUE(source.matrix("w", 2, 2).empty());
  EXPECT_EQ(source.status().error().message,
            "tensor w.weight: the reference kernels cannot hold type f32 with shape [2, 2]");
}

TEST_F(WeightSourceTest, FusedLinearsAreOfOneKind) {
  file_.add_floats("gate.weight", {1, 32}, counting(32));
  file_.add("up.weight", DType::q8_0, {1, 32}, std::vector<std::byte>(34));
  WeightSource source(file_, ops_);
  const auto both =
      source.fused_linears({{.name = "gate", .n = 1, .k = 32}, {.name = "up", .n = 1, .k = 32}});
  ASSERT_TRUE(source.status().has_value());
  EXPECT_EQ(both[0].weight.packed().kind, DType::f16);
  EXPECT_EQ(both[1].weight.packed().kind, DType::f16);
  EXPECT_EQ(rows_of(both[0].weight, ops_), counting(32));
}

TEST_F(WeightSourceTest, ErrorsNameTensorAndShapes) {
  const auto error = [&](auto load) {
    WeightSource source(file_, ops_);
    load(source);
    return source.status() ? std::string() : source.status().error().message;
  };
  file_.add_floats("w.weight", {2, 3}, counting(6));
  file_.add_floats("flat.weight", {6}, counting(6));
  file_.add("ids.weight", DType::i64, {2, 3}, std::vector<std::byte>(48));
  file_.add("wide.weight", DType::f64, {2, 3}, std::vector<std::byte>(48));
  file_.add("wide_norm.weight", DType::f64, {3}, std::vector<std::byte>(24));
  EXPECT_EQ(error([](auto& s) { s.matrix("w", 3, 2); }),
            "tensor w.weight is [2, 3], expected [3, 2]");
  EXPECT_EQ(error([](auto& s) { s.matrix("flat", 2, 3); }),
            "tensor flat.weight is [6], expected [2, 3]");
  EXPECT_EQ(error([](auto& s) { s.matrix("x", 2, 3); }), "tensor x.weight is missing");
  EXPECT_EQ(error([](auto& s) { s.matrix("ids", 2, 3); }),
            "tensor ids.weight has type i64, which weights of this shape cannot have");
  EXPECT_NE(error([](auto& s) { s.matrix("wide", 2, 3); }).find("type f64"), std::string::npos);
  EXPECT_EQ(error([](auto& s) { s.norm("wide_norm", 3, false); }),
            "tensor wide_norm.weight has type f64, expected f32, f16 or bf16");
  EXPECT_EQ(error([](auto& s) { s.norm("flat", 5, false); }),
            "tensor flat.weight is [6], expected [5]");
  EXPECT_EQ(error([](auto& s) { s.norm("flat", 6, true); }), "tensor flat.bias is missing");
  EXPECT_EQ(error([](auto& s) {
              s.matrix("first", 1, 1);
              s.matrix("second", 1, 1);
            }),
            "tensor first.weight is missing");
}

}  // namespace
}  // namespace millrace::models
