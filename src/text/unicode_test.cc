#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/vocab_data_for_test.h"

namespace millrace::text {
namespace {

TEST(Unicode, ClassesOfCharacters) {
  const CharClasses& classes = CharClasses::get();
  EXPECT_EQ(classes[U'a'], kLetter);
  EXPECT_EQ(classes[U'中'], kLetter);
  EXPECT_EQ(classes[U'\U00020000'], kLetter);
  EXPECT_EQ(classes[U'7'], kNumber);
  EXPECT_EQ(classes[U'½'], kNumber);
  EXPECT_EQ(classes[U'Ⅳ'], kNumber);
  EXPECT_EQ(classes[U'\u0301'], kMark);
  EXPECT_EQ(classes[U'!'], kPunctuation);
  EXPECT_EQ(classes[U'$'], kSymbol | kAsciiSymbol);
  EXPECT_EQ(classes[U'€'], kSymbol);
  EXPECT_EQ(classes[U' '], kSpace);
  EXPECT_EQ(classes[U'\n'], kSpace | kNewline);
  EXPECT_EQ(classes[U'\u0085'], kSpace);
  EXPECT_EQ(classes[U'\u3000'], kSpace);
  EXPECT_EQ(classes[U'\u180E'], 0);  // a format character, white space no more
  EXPECT_EQ(classes[U'\u200B'], 0);
  EXPECT_EQ(classes[U'\U000A0000'], 0);  // unassigned planes
  EXPECT_EQ(classes[U'\U0010FFFF'], 0);
}

TEST(Unicode, EncodesAndDecodesEveryCodePoint) {
  for (char32_t c = 0; c < 0x110000; c += (c < 0x3000 ? 1 : 37)) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string utf8;
    append_utf8(utf8, c);
    ASSERT_TRUE(is_valid_utf8(utf8)) << static_cast<unsigned>(c);
    const char* p = utf8.data();
    ASSERT_EQ(next_char(p), c);
    ASSERT_EQ(p, utf8.data() + utf8.size());
    ASSERT_EQ(utf8_length(static_cast<unsigned char>(utf8[0])), static_cast<int>(utf8.size()));
  }
}

// What Python's bytes.decode("utf-8", "replace") gives, with ? for U+FFFD.
TEST(Unicode, ReplacesMaximalSubparts) {
  const auto replaced = [](std::string_view bytes) {
    std::string text = replace_invalid_utf8(bytes);
    for (auto at = text.find(kReplacementCharacter); at != text.npos;
         at = text.find(kReplacementCharacter)) {
      text.replace(at, 3, "?");
    }
    return text;
  };
  EXPECT_EQ(replaced("plain \xE4\xB8\xAD"), "plain \xE4\xB8\xAD");
  EXPECT_EQ(replaced("\xFF"), "?");
  EXPECT_EQ(replaced("ab\x80"
                     "cd"),
            "ab?cd");
  EXPECT_EQ(replaced("\xE4\xB8"), "?");
  EXPECT_EQ(replaced("\xE4\xB8x"), "?x");
  EXPECT_EQ(replaced("\xF0\x9F\x98 x"), "? x");
  EXPECT_EQ(replaced("\xC3\x28\xA0\xA1"), "?(??");
  EXPECT_EQ(replaced("\xED\xA0\x80"), "???");            // a surrogate
  EXPECT_EQ(replaced("\xF4\x90\x80\x80"), "????");       // above U+10FFFF
  EXPECT_EQ(replaced("\xC0\xAF\xE0\x80\x80"), "?????");  // overlong
  EXPECT_EQ(replaced("\xF0\x80\x80\x80"), "????");
  EXPECT_EQ(replaced(std::string(40, 'a') + "\x80" + std::string(9, 'b')),
            std::string(40, 'a') + "?" + std::string(9, 'b'));
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(normalize("e\u0301", NormalForm::nfc), "\u00e9");
  EXPECT_EQ(normalize("\u00e9", NormalForm::nfd), "e\u0301");
  EXPECT_EQ(normalize("\u212b \u2126", NormalForm::nfc), "\u00c5 \u03a9");
  EXPECT_EQ(normalize("\ufb01", NormalForm::nfc), "\ufb01");
  EXPECT_EQ(normalize("\ufb01\u2460", NormalForm::nfkc), "fi1");
  EXPECT_EQ(normalize("\u1100\u1161\u11a8", NormalForm::nfc), "\uac01");
  EXPECT_EQ(normalize("\uac01", NormalForm::nfd), "\u1100\u1161\u11a8");
  EXPECT_EQ(normalize("q\u0307\u0323", NormalForm::nfc), "q\u0323\u0307");  // reordered only
  EXPECT_EQ(normalize("\u304b\u3099", NormalForm::nfc), "\u304c");
  EXPECT_EQ(normalize("\ufdfa", NormalForm::nfkd).size(), 33u);
}

TEST(Unicode, ComposingAgreesWithDecomposingFirst) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::string text = test::random_text(seed, 60);
    for (const char* mark : {"\u0301", "\u0323", "\u3099", "\u1161", "\u0f71"}) {
      text.insert(text.size() / 2, mark);
      while (!is_valid_utf8(text)) text.erase(text.size() / 2, 1);
    }
    const std::string composed = normalize(text, NormalForm::nfc);
    EXPECT_EQ(composed, normalize(normalize(text, NormalForm::nfd), NormalForm::nfc));
    EXPECT_EQ(composed, normalize(composed, NormalForm::nfc));
  }
}

TEST(Unicode, LongRunsOfMarksTakeNoQuadraticTime) {
  std::string marks = "e";
  while (marks.size() < 1'000'000) marks += "\u0345\u0301\u0327";  // classes 240, 230, 202
  EXPECT_GT(normalize(marks, NormalForm::nfc).size(), 600'000u);
}

TEST(Unicode, LowerCaseAndMarks) {
  EXPECT_EQ(to_lower("ÀB\u0130\u03A3"), "àbi\u0307\u03c3");
  EXPECT_EQ(strip_marks("e\u0301\u0323x"), "ex");
}

}  // namespace
}  // namespace millrace::text
