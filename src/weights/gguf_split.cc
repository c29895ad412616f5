#include "weights/gguf_split.h"

#include <algorithm>

namespace millrace::weights {
namespace {

constexpr std::size_t kDigits = 5;

std::optional<std::int64_t> parse_digits(std::string_view text) {
  std::int64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

std::string five_digits(std::int64_t number) {
  std::string digits = std::to_string(number);
  return std::string(kDigits - std::min(kDigits, digits.size()), '0') + digits;
}

}  // namespace

std::optional<SplitName> parse_split_name(std::string_view file_name) {
  constexpr std::string_view kSuffix = ".gguf";
  constexpr std::size_t kTail = 1 + kDigits + 4 + kDigits;  // "-00001-of-00003"
  if (!file_name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view base = file_name.substr(0, file_name.size() - kSuffix.size());
  if (base.size() <= kTail) return std::nullopt;
  const std::string_view tail = base.substr(base.size() - kTail);
  if (tail[0] != '-' || tail.substr(1 + kDigits, 4) != "-of-") return std::nullopt;
  const auto number = parse_digits(tail.substr(1, kDigits));
  const auto count = parse_digits(tail.substr(1 + kDigits + 4));
  if (!number || !count || *number < 1 || *number > *count) return std::nullopt;
  return SplitName{std::string(base.substr(0, base.size() - kTail)), *number - 1, *count};
}

std::string split_name(const SplitName& split, std::int64_t index) {
  return split.stem + "-" + five_digits(index + 1) + "-of-" + five_digits(split.count) + ".gguf";
}

}  // namespace millrace::weights
