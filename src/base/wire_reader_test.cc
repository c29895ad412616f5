#include "base/wire_reader.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using Field = WireReader::Field;

TEST(WireReader, FieldsOfEveryKind) {
  std::string message("\x08\x96\x01\x15\x01\x00\x00\x80\x19\x02\x00\x00\x00\x00\x00\x00\x00", 17);
  append_field(message, 4, "text");
  WireReader reader(message);
  Field field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 1u);
  EXPECT_EQ(field.value, 150u);
  EXPECT_FALSE(field.is_bytes);
  EXPECT_EQ(field.whole, std::string_view("\x08\x96\x01"));
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.value, 0x80000001u);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.value, 2u);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 4u);
  EXPECT_TRUE(field.is_bytes);
  EXPECT_EQ(field.bytes, "text");
  EXPECT_FALSE(reader.next(field));
  EXPECT_FALSE(reader.failed());
}

TEST(WireReader, StopsAtWhatIsMalformed) {
  using namespace std::string_view_literals;
  for (const std::string_view message :
       {"\x08"sv, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv, "\x0a\x05text"sv,
        "\x0d\x01"sv, "\x0b"sv, "\x02"sv, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv}) {
    WireReader reader(message);
    Field field;
    EXPECT_FALSE(reader.next(field));
    EXPECT_TRUE(reader.failed());
  }
}

TEST(WireReader, PackedVarints) {
  std::string_view rest("\x01\xac\x02\xff", 4);
  std::uint64_t value = 0;
  ASSERT_TRUE(take_varint(rest, value));
  EXPECT_EQ(value, 1u);
  ASSERT_TRUE(take_varint(rest, value));
  EXPECT_EQ(value, 300u);
  EXPECT_FALSE(take_varint(rest, value)) << "cut off";
}

}  // namespace
}  // namespace millrace
