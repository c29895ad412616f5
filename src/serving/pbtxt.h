// Protocol buffers' text format, as far as Triton's config.pbtxt uses it, without a schema: a tree
// of named fields. The text is hostile: its size, its depth and the number of fields are bounded.
// Source: https://protobuf.dev/reference/protobuf/textformat-spec/
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::serving {

struct PbtxtField;

struct PbtxtMessage {
  std::vector<PbtxtField> fields;  // in order; a list `[a, b]` is two fields of one name
  // The last of that name, as protocol buffers have it; null where there is none.
  const PbtxtField* find(std::string_view name) const;
};

struct PbtxtField {
  // word: a number, a boolean or a name of an enumeration, as written.
  enum class Kind : std::uint8_t { word, string, message };
  std::string name{};
  int line = 0;
  Kind kind = Kind::word;
  std::string text{};      // word, or the string without quotes and escapes
  PbtxtMessage message{};  // of Kind::message
};

inline constexpr std::size_t kMaxPbtxtBytes = std::size_t{256} << 10;

// Errors name file and line: "config.pbtxt:3: …".
Result<PbtxtMessage> parse_pbtxt(std::string_view text, const std::string& file_name);

}  // namespace millrace::serving
