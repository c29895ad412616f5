#include "serving/version_policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxSpecific = 1024;

template <class T>
bool read_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out > 0;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::uint64_t version_number(std::string_view text) {
  std::uint64_t number = 0;
  return read_number(text, number) ? number : 0;
}

Result<VersionPolicy> parse_version_policy(std::string_view text) {
  const auto refused = [&] {
    return invalid(fmt::format("\"{}\" is no version policy; write latest, latest:N, all, or "
                               "specific:1,3",
                               text.substr(0, 64)),
                   "version-policy");
  };
  const auto colon = text.find(':');
  const std::string_view word = trimmed(text.substr(0, colon));
  const bool has_value = colon != std::string_view::npos;
  std::string_view value = has_value ? text.substr(colon + 1) : std::string_view();
  VersionPolicy policy;
  if (word == "all" && !has_value) {
    policy.kind = VersionPolicy::Kind::all;
  } else if (word == "latest") {
    if (has_value && !read_number(trimmed(value), policy.num_latest)) return refused();
  } else if (word == "specific" && has_value) {
    policy.kind = VersionPolicy::Kind::specific;
    while (true) {
      const auto comma = value.find(',');
      const std::uint64_t number = version_number(trimmed(value.substr(0, comma)));
      if (number == 0 || policy.specific.size() == kMaxSpecific) return refused();
      policy.specific.push_back(number);
      if (comma == std::string_view::npos) break;
      value.remove_prefix(comma + 1);
    }
    std::ranges::sort(policy.specific);
    const auto repeated = std::ranges::unique(policy.specific);
    policy.specific.erase(repeated.begin(), repeated.end());
  } else {
    return refused();
  }
  return policy;
}

std::string to_string(const VersionPolicy& policy) {
  switch (policy.kind) {
    case VersionPolicy::Kind::latest:
      return fmt::format("latest:{}", policy.num_latest);
    case VersionPolicy::Kind::all:
      return "all";
    case VersionPolicy::Kind::specific:
      return fmt::format("specific:{}", fmt::join(policy.specific, ","));
  }
  return {};
}

std::vector<std::uint64_t> chosen_versions(const VersionPolicy& policy,
                                           std::vector<std::uint64_t> versions) {
  std::ranges::sort(versions);
  if (policy.kind == VersionPolicy::Kind::latest) {
    const auto kept = std::min(versions.size(), static_cast<std::size_t>(policy.num_latest));
    versions.erase(versions.begin(), versions.end() - static_cast<std::ptrdiff_t>(kept));
  } else if (policy.kind == VersionPolicy::Kind::specific) {
    std::erase_if(versions, [&](std::uint64_t version) {
      return !std::ranges::binary_search(policy.specific, version);
    });
  }
  return versions;
}

}  // namespace millrace::serving
