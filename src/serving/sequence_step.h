// Which sequence a request to a stateful model belongs to, and where in it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace millrace::serving {

// As the client chose it: a number above 0, or a text that is not empty. 1 and "1" are two.
using SequenceId = std::variant<std::uint64_t, std::string>;

inline constexpr std::size_t kMaxSequenceIdBytes = 128;

struct SequenceStep {
  SequenceId id{};
  bool start = false;  // begins anew, whatever came before
  bool end = false;    // the state is let go of after this request
};

}  // namespace millrace::serving
