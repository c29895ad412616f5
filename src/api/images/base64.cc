#include "api/images/base64.h"

#include <array>
#include <cstdint>

namespace millrace::api {
namespace {

constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr auto kValues = make_values();

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  std::uint8_t wrong = 0;
  std::size_t in_group = 0;
  for (const char c : text) {
    const std::uint8_t value = kValues[static_cast<unsigned char>(c)];
    wrong |= value;
    bits = bits << 6 | (value & 0x3f);
    if (++in_group < 4) continue;
    out += static_cast<char>(bits >> 16 & 0xff);
    out += static_cast<char>(bits >> 8 & 0xff);
    out += static_cast<char>(bits & 0xff);
    bits = 0;
    in_group = 0;
  }
  if (wrong & 0x80) return std::nullopt;  // only kNone has that bit
  if (in_group == 0) return out;          // padding 0: sizes are whole groups
  bits <<= 6 * (4 - in_group);
  if (bits & (in_group == 3 ? 0xffu : 0xffffu)) return std::nullopt;
  out += static_cast<char>(bits >> 16 & 0xff);
  if (in_group == 3) out += static_cast<char>(bits >> 8 & 0xff);
  return out;
}

}  // namespace millrace::api
