// Which of a model's numbered versions are served, and by what names they can be asked for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::serving {

struct VersionPolicy {
  enum class Kind : std::uint8_t { latest, all, specific };
  Kind kind = Kind::latest;
  int num_latest = 1;                     // of Kind::latest
  std::vector<std::uint64_t> specific{};  // of Kind::specific, ascending
};

// "latest", "latest:2", "all", "specific:1,3".
Result<VersionPolicy> parse_version_policy(std::string_view text);
std::string to_string(const VersionPolicy& policy);

// What of `versions` is served, ascending. Specific versions that are not there are left out.
std::vector<std::uint64_t> chosen_versions(const VersionPolicy& policy,
                                           std::vector<std::uint64_t> versions);

// What is said of a model as a whole, all its versions together.
struct VersionRules {
  VersionPolicy policy{};
  std::map<std::string, std::uint64_t, std::less<>> labels{};  // "stable" → 3
};

// A folder's name as a version; 0 is none.
std::uint64_t version_number(std::string_view text);

}  // namespace millrace::serving
