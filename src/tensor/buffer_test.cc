#include "tensor/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace millrace {
namespace {

TEST(Buffer, AlignedZeroedAndWritable) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{63}, std::size_t{4096},
                                  std::size_t{2} << 20, (std::size_t{5} << 20) + 3}) {
    Buffer buffer(bytes);
    ASSERT_NE(buffer.data(), nullptr);
    EXPECT_EQ(buffer.size(), bytes);
    const std::size_t alignment = bytes >= (std::size_t{2} << 20) ? std::size_t{2} << 20 : 64;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % alignment, 0U);
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + bytes,
                            [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(buffer.data(), bytes, std::byte{0xab});
  }
}

TEST(Buffer, EmptyHoldsNothing) {
  const Buffer none;
  const Buffer zero(0);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(zero.data(), nullptr);
  EXPECT_EQ(zero.size(), 0U);
}

TEST(Buffer, MovesTheMemory) {
  Buffer a(100);
  a.as<std::uint8_t>()[99] = 7;
  Buffer b(std::move(a));
  EXPECT_EQ(b.as<std::uint8_t>()[99], 7);
  Buffer c(std::size_t{3} << 20);
  c = std::move(b);
  EXPECT_EQ(c.size(), 100U);
  EXPECT_EQ(c.as<std::uint8_t>()[99], 7);
}

}  // namespace
}  // namespace millrace
