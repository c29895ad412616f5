// UTF-8 and Unicode properties for the tokenizers. The one file that names utf8proc. Everything
// here is immutable and thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::text {

// What the pre-tokenisers ask of a character; bits of one byte.
enum CharClass : std::uint8_t {
  kLetter = 1,         // \p{L}
  kNumber = 2,         // \p{N}
  kSpace = 4,          // \s: White_Space
  kMark = 8,           // \p{M}
  kPunctuation = 16,   // \p{P}
  kSymbol = 32,        // \p{S}
  kNewline = 64,       // \r or \n, as well as kSpace
  kAsciiSymbol = 128,  // $+<=>^`|~, as well as kSymbol: punctuation to Hugging Face
};

// Classes of all code points in a two-level table of unique 256-entry pages, built once.
class CharClasses {
 public:
  static const CharClasses& get();
  std::uint8_t operator[](char32_t c) const {
    return c < 128 ? ascii_[c] : pages_[page_of_[c >> 8]][c & 255];
  }
  std::uint8_t ascii(unsigned char c) const { return ascii_[c]; }

 private:
  CharClasses();
  using Page = std::array<std::uint8_t, 256>;
  std::array<std::uint8_t, 128> ascii_;
  std::array<std::uint16_t, 0x1100> page_of_;
  std::unique_ptr<Page[]> pages_;
};

// Bytes of the character that starts with this byte; 1 for a byte that starts none.
inline int utf8_length(unsigned char lead) {
  return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

// The character at p, which must be valid UTF-8; p moves behind it.
inline char32_t next_char(const char*& p) {
  const auto byte = [&](int i) { return static_cast<char32_t>(static_cast<unsigned char>(p[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return ++p, lead;
  if (lead < 0xE0) {
    const char32_t c = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    return p += 2, c;
  }
  if (lead < 0xF0) {
    const char32_t c = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return p += 3, c;
  }
  const char32_t c =
      (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return p += 4, c;
}

void append_utf8(std::string& out, char32_t c);

// One step through bytes that may be anything: how many of them, from `at`, are one character or
// one "maximal subpart" of one (Unicode 15, section 3.9, table 3-7: what Python replaces by one
// U+FFFD).
struct Utf8Step {
  int length;  // ≥ 1
  enum State : std::uint8_t {
    valid,
    invalid,
    cut_short
  } state;  // cut_short: more bytes may finish it
};
Utf8Step utf8_step(std::string_view bytes, std::size_t at);

bool is_valid_utf8(std::string_view bytes);
// Each maximal subpart that is no character becomes U+FFFD.
std::string replace_invalid_utf8(std::string_view bytes);
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

enum class NormalForm : std::uint8_t { nfc, nfd, nfkc, nfkd };
// O(n log n), whatever runs of combining marks there are. `utf8` must be valid.
std::string normalize(std::string_view utf8, NormalForm form);
std::string to_lower(std::string_view utf8);     // valid UTF-8; simple case mapping
std::string strip_marks(std::string_view utf8);  // without \p{Mn}

}  // namespace millrace::text
