// StopMatcher: finds stop strings in a stream of text pieces, across piece borders, holding back
// only what may still become a match.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::text {

class StopMatcher {
 public:
  // Non-empty strings, at most a few. include_stop: the matched string is part of the output.
  StopMatcher(std::vector<std::string> stops, bool include_stop = false);

  struct Step {
    std::string text;                    // safe to send
    std::optional<std::size_t> matched;  // index of the stop string found: the sequence is over
  };
  Step push(std::string_view piece);
  std::string finish();  // what was held back

 private:
  std::vector<std::string> stops_;
  bool include_stop_;
  std::string held_;
};

}  // namespace millrace::text
