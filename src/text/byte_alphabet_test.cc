#include "text/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>

#include "text/unicode.h"

namespace millrace::text {
namespace {

TEST(ByteAlphabet, SpellsEachByteByACharacterOfItsOwn) {
  const ByteAlphabet& alphabet = ByteAlphabet::get();
  std::set<std::string> spellings;
  std::string all_bytes;
  std::string all_spelt;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string spelling(alphabet.spelling(static_cast<unsigned char>(byte)));
    EXPECT_TRUE(is_valid_utf8(spelling));
    spellings.insert(spelling);
    all_spelt += spelling;
    all_bytes += static_cast<char>(byte);
  }
  EXPECT_EQ(spellings.size(), 256u);
  EXPECT_EQ(alphabet.spelling(' '), "Ġ");
  EXPECT_EQ(alphabet.spelling('\n'), "Ċ");
  EXPECT_EQ(alphabet.spelling('A'), "A");
  EXPECT_EQ(alphabet.spelling(0xAD), "Ń");  // the last stand-in
  std::string decoded = "x";
  EXPECT_TRUE(alphabet.decode(all_spelt, decoded));
  EXPECT_EQ(decoded, "x" + all_bytes);
}

TEST(ByteAlphabet, LeavesOutputAloneForOtherCharacters) {
  for (const char* text : {"a b", "▁a", "ń", "\xC4", "\xFF", "中", "a\n"}) {
    std::string out = "kept";
    EXPECT_FALSE(ByteAlphabet::get().decode(text, out)) << text;
    EXPECT_EQ(out, "kept");
  }
}

}  // namespace
}  // namespace millrace::text
