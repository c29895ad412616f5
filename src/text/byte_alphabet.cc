#include "text/byte_alphabet.h"

#include "text/unicode.h"

namespace millrace::text {

const ByteAlphabet& ByteAlphabet::get() {
  static const ByteAlphabet alphabet;
  return alphabet;
}

// Printable Latin-1 characters stand for themselves, the others for the code points from U+0100 on.
ByteAlphabet::ByteAlphabet() {
  byte_of_.fill(-1);
  char32_t next_stand_in = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    const char32_t c = printable ? byte : next_stand_in++;
    std::string utf8;
    append_utf8(utf8, c);
    utf8.copy(spellings_[byte].data(), 2);
    byte_of_[c] = static_cast<std::int16_t>(byte);
  }
}

bool ByteAlphabet::decode(std::string_view text, std::string& out) const {
  const std::size_t before = out.size();
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    char32_t c = lead;
    if (lead < 0x80) {
      ++at;
    } else if (lead < 0xE0 && at + 1 < text.size()) {  // the alphabet ends below U+0800
      c = static_cast<char32_t>((lead & 0x1F) << 6 |
                                (static_cast<unsigned char>(text[at + 1]) & 0x3F));
      at += 2;
    } else {
      c = kEnd;
    }
    if (c >= kEnd || byte_of_[c] < 0) {
      out.resize(before);
      return false;
    }
    out.push_back(static_cast<char>(byte_of_[c]));
  }
  return true;
}

}  // namespace millrace::text
