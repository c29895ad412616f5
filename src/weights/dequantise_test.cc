#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "weights/weight_file.h"

namespace millrace::weights {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

struct Golden {
  std::string blocks;
  std::vector<std::uint32_t> bits;  // of the expected floats
};

Golden read_golden(const std::string& kind) {
  const auto text = read_file(
      std::string(MILLRACE_SOURCE_DIR) + "/tests/goldens/quants/" + kind + ".json", 1 << 20);
  EXPECT_TRUE(text) << "tools/goldens/quant_goldens.py writes it";
  const auto root = parse_json(text.value_or("{}"));
  Golden golden;
  golden.blocks = from_hex(root->at("blocks").as_string());
  const std::string floats = from_hex(root->at("floats").as_string());
  golden.bits.resize(floats.size() / 4);
  std::memcpy(golden.bits.data(), floats.data(), floats.size());
  return golden;
}

std::vector<float> dequantised(const TensorView& tensor, std::int64_t first, std::int64_t count) {
  std::vector<float> out(static_cast<std::size_t>(count));
  dequantise(tensor, first, count, out.data());
  return out;
}

class Dequantise : public testing::TestWithParam<DType> {};

TEST_P(Dequantise, EqualsTheReferenceBitForBit) {
  const Golden golden = read_golden(dtype_name(GetParam()));
  const auto count = static_cast<std::int64_t>(golden.bits.size());
  ASSERT_GT(count, 0);
  const TensorView tensor{golden.blocks.data(), GetParam(), Shape{count}};
  ASSERT_EQ(tensor.num_bytes(), golden.blocks.size());
  const auto out = dequantised(tensor, 0, count);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float expected = std::bit_cast<float>(golden.bits[i]);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(out[i])) << i;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(out[i]), golden.bits[i])
          << i << ": " << out[i] << ", expected " << expected;
    }
  }
}

TEST_P(Dequantise, AnyBlockOnItsOwnAndInPart) {
  const Golden golden = read_golden(dtype_name(GetParam()));
  const auto count = static_cast<std::int64_t>(golden.bits.size());
  const auto block = static_cast<std::int64_t>(dtype_block_elements(GetParam()));
  const TensorView tensor{golden.blocks.data(), GetParam(), Shape{count}};
  const auto whole = dequantised(tensor, 0, count);
  const std::int64_t part = block == 1 ? 1 : block - 3;
  const auto alone = dequantised(tensor, block, part);
  EXPECT_EQ(std::memcmp(alone.data(), whole.data() + block, alone.size() * sizeof(float)), 0);
  dequantise(tensor, count, 0, nullptr);  // nothing of it
}

INSTANTIATE_TEST_SUITE_P(Kinds, Dequantise,
                         testing::Values(DType::f16, DType::bf16, DType::q4_0, DType::q4_1,
                                         DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k,
                                         DType::q5_k, DType::q6_k),
                         [](const auto& tested) { return std::string(dtype_name(tested.param)); });

template <class T>
void expect_plain(DType dtype, const std::vector<T>& values) {
  const TensorView tensor{values.data(), dtype, Shape{static_cast<std::int64_t>(values.size())}};
  const auto out = dequantised(tensor, 0, static_cast<std::int64_t>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(out[i], static_cast<float>(values[i])) << dtype_name(dtype);
  }
}

TEST(DequantisePlain, KeepsEveryType) {
  expect_plain<float>(DType::f32, {0.0f, -1.5f, std::numeric_limits<float>::denorm_min()});
  expect_plain<double>(DType::f64, {0.1, -1e300, 1e-60});
  expect_plain<std::int8_t>(DType::i8, {-128, 0, 127});
  expect_plain<std::int16_t>(DType::i16, {-32768, 32767});
  expect_plain<std::int32_t>(DType::i32, {-2147483647, 16777217});
  expect_plain<std::int64_t>(DType::i64, {std::numeric_limits<std::int64_t>::min(), 1});
  expect_plain<std::uint8_t>(DType::u8, {0, 255});
  expect_plain<std::uint16_t>(DType::u16, {65535});
  expect_plain<std::uint32_t>(DType::u32, {4294967295u});
  expect_plain<std::uint64_t>(DType::u64, {18446744073709551615u});
  expect_plain<std::uint8_t>(DType::boolean, {0, 1, 1});
}

TEST(DequantisePlain, ReadsUnalignedBytes) {
  alignas(8) std::uint8_t bytes[12] = {};
  const float value = 3.25f;
  std::memcpy(bytes + 1, &value, sizeof value);
  EXPECT_EQ(dequantised({bytes + 1, DType::f32, Shape{1}}, 0, 1)[0], 3.25f);
}

}  // namespace
}  // namespace millrace::weights
