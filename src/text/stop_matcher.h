// StopMatcher: finds stop strings in a stream of text pieces, across piece borders, holding back
// only what may still become a match. The result does not depend on where the borders are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::text {

class StopMatcher {
 public:
  // Non-empty strings (empty ones are left out), at most a few. include_stop: the matched string is
  // part of the output.
  StopMatcher(std::vector<std::string> stops, bool include_stop = false);

  struct Step {
    std::string text;                    // safe to send
    std::optional<std::size_t> matched;  // index of the stop string found: the sequence is over
  };
  // The match that is complete first wins; of those that end together, the one that starts first.
  // After a match every piece gives nothing. O(1) a byte and stop string.
  Step push(std::string_view piece);
  std::string finish();  // what was held back

 private:
  struct Stop {
    std::string text;
    std::size_t index;                 // in the caller's list
    std::vector<std::size_t> borders;  // of each prefix: its longest proper prefix that is a suffix
    std::size_t num_matched = 0;       // bytes of `text` that the stream ends with
  };
  static void advance(Stop& stop, char byte);

  std::vector<Stop> stops_;
  bool include_stop_;
  bool over_ = false;
  std::string held_;
};

}  // namespace millrace::text
