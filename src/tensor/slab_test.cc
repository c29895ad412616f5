#include "tensor/slab.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace millrace {
namespace {

constexpr std::size_t kPiece = std::size_t{4} << 20;

TEST(Slab, BuffersAreAlignedZeroedAndApart) {
  Slab slab(kPiece);
  std::vector<Buffer> buffers;
  for (const std::size_t bytes : {1UL, 63UL, 64UL, 4097UL, kPiece / 2, kPiece / 2, kPiece}) {
    Buffer& buffer = buffers.emplace_back(slab.take(bytes));
    ASSERT_EQ(buffer.size(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U);
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + bytes,
                            [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(buffer.data(), bytes, static_cast<std::byte>(buffers.size()));
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {  // nobody wrote into another's
    EXPECT_TRUE(std::all_of(buffers[i].data(), buffers[i].data() + buffers[i].size(),
                            [i](std::byte b) { return b == static_cast<std::byte>(i + 1); }));
  }
}

TEST(Slab, BuffersLieSideBySide) {
  Slab slab(kPiece);
  const Buffer first = slab.take(100), second = slab.take(100);
  EXPECT_EQ(second.data() - first.data(), 128);
}

TEST(Slab, BuffersOutliveTheSlabAndEachOther) {
  std::optional<Slab> slab(std::in_place, kPiece);
  Buffer first = slab->take(1000);
  Buffer second = slab->take(1000);
  slab.reset();
  first = Buffer();
  std::fill_n(second.data(), second.size(), std::byte{7});
  first = std::move(second);
  EXPECT_EQ(first.data()[999], std::byte{7});
  first.make_present(0, first.size());
  EXPECT_EQ(first.data()[999], std::byte{7});
}

TEST(Slab, EmptyBuffers) {
  Slab slab(kPiece);
  EXPECT_EQ(slab.take(0).size(), 0U);
}

}  // namespace
}  // namespace millrace
