// GPT-2's byte alphabet: a printable character for every byte, in which byte-level vocabularies are
// written. Space is Ġ, newline Ċ.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::text {

class ByteAlphabet {
 public:
  static const ByteAlphabet& get();
  std::string_view spelling(unsigned char byte) const {
    return {spellings_[byte].data(), static_cast<std::size_t>(byte_spelled_long(byte) ? 2 : 1)};
  }
  // Appends the bytes that `text` spells; false, with `out` as it was, if a character is not in the
  // alphabet (or `text` is not UTF-8).
  bool decode(std::string_view text, std::string& out) const;

 private:
  ByteAlphabet();
  bool byte_spelled_long(unsigned char byte) const { return spellings_[byte][1] != '\0'; }
  std::array<std::array<char, 2>, 256> spellings_{};
  static constexpr char32_t kEnd = 0x144;   // 256 - 188 stand-ins from U+0100 on
  std::array<std::int16_t, kEnd> byte_of_;  // by code point; -1: not in the alphabet
};

}  // namespace millrace::text
