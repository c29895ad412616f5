// Names of the parts of a split GGUF model: NAME-00001-of-00003.gguf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::weights {

struct SplitName {
  std::string stem;        // before "-00001-of-00003.gguf"
  std::int64_t index = 0;  // from 0, although names count from 1
  std::int64_t count = 0;
};

// Nothing where the name is not of that form, or where the numbers make no sense.
std::optional<SplitName> parse_split_name(std::string_view file_name);
std::string split_name(const SplitName& split, std::int64_t index);

}  // namespace millrace::weights
