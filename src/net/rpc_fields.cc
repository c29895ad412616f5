#include "net/rpc_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <iterator>

namespace millrace::net {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kMaxDigits = 8;

nanoseconds unit_of(char letter) {
  switch (letter) {
    case 'H':
      return std::chrono::hours(1);
    case 'M':
      return std::chrono::minutes(1);
    case 'S':
      return std::chrono::seconds(1);
    case 'm':
      return std::chrono::milliseconds(1);
    case 'u':
      return std::chrono::microseconds(1);
    case 'n':
      return nanoseconds(1);
    default:
      return nanoseconds(0);
  }
}

}  // namespace

Result<TimePoint> parse_rpc_timeout(std::string_view text, TimePoint now) {
  const auto malformed = [] {
    return fail(ErrorKind::invalid_argument,
                "'grpc-timeout' must be at most 8 digits and a unit of H, M, S, m, u or n.",
                "grpc-timeout");
  };
  if (text.size() < 2 || text.size() > kMaxDigits + 1) return malformed();
  const nanoseconds unit = unit_of(text.back());
  text.remove_suffix(1);
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (unit.count() == 0 || error != std::errc() || end != text.data() + text.size() || count < 0) {
    return malformed();
  }
  constexpr auto kYear = std::chrono::hours(24 * 365);
  if (count > kYear / unit) return kNever;
  return now + std::chrono::duration_cast<Clock::duration>(count * unit);
}

std::string encode_rpc_message(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool is_rpc_content_type(std::string_view text) {
  constexpr std::string_view kType = "application/grpc";
  if (!text.starts_with(kType)) return false;
  text.remove_prefix(kType.size());
  return text.empty() || text.front() == '+' || text.front() == ';';
}

}  // namespace millrace::net
