#include "net/request_target.h"

#include <array>
#include <cstdint>

namespace millrace::net {
namespace {

constexpr std::string_view kUnreserved =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
// pchar and '/', RFC 3986 §3.3.
constexpr std::string_view kPathMarks = "!$&'()*+,;=:@/%";
// Clients send these unescaped in queries, and nothing here reads them as structure.
constexpr std::string_view kQueryMarks = "!$&'()*+,;=:@/%?[]{}|^`";

constexpr std::array<bool, 256> byte_set(std::string_view marks) {
  std::array<bool, 256> set{};
  for (const char c : kUnreserved) set[static_cast<std::uint8_t>(c)] = true;
  for (const char c : marks) set[static_cast<std::uint8_t>(c)] = true;
  return set;
}
constexpr auto kPathBytes = byte_set(kPathMarks);
constexpr auto kQueryBytes = byte_set(kQueryMarks);

bool all_in(std::string_view text, const std::array<bool, 256>& set) {
  bool all = true;
  for (const char c : text) all &= set[static_cast<std::uint8_t>(c)];
  return all;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Length of the UTF-8 sequence at the front, 0 where it is not one (overlong, surrogate, cut off).
std::size_t utf8_sequence(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && at(1) < 0xA0) return 0;
  if (lead == 0xED && at(1) > 0x9F) return 0;
  if (lead == 0xF0 && at(1) < 0x90) return 0;
  if (lead == 0xF4 && at(1) > 0x8F) return 0;
  return length;
}

bool clean_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<std::uint8_t>(text[i]);
    if (c < 0x20 || c == 0x7F || c == '\\') return false;
    const std::size_t length = utf8_sequence(text.substr(i));
    if (length == 0) return false;
    i += length;
  }
  return true;
}

bool clean_segments(std::string_view path) {  // `path` begins with '/'
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t slash = path.find('/', begin);
    const std::string_view segment = path.substr(begin, slash - begin);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) break;
    begin = slash + 1;
  }
  return true;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

std::optional<RequestTarget> parse_request_target(std::string_view target) {
  RequestTarget result;
  if (target == "*") {
    result.path = "*";
    return result;
  }
  if (target.empty() || target.front() != '/') return std::nullopt;
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (mark != std::string_view::npos) {
    const std::string_view query = target.substr(mark + 1);
    if (!all_in(query, kQueryBytes)) return std::nullopt;
    result.query = query;
  }
  if (!all_in(path, kPathBytes)) return std::nullopt;
  if (path.find('%') == std::string_view::npos) {
    result.path = path;  // pure ASCII without controls by its byte set
  } else {
    auto decoded = percent_decode(path);
    if (!decoded || !clean_text(*decoded)) return std::nullopt;
    result.path = std::move(*decoded);
    result.encoded_path = path;
  }
  if (!clean_segments(result.path)) return std::nullopt;
  return result;
}

}  // namespace millrace::net
