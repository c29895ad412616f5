// EntryReader: lines as typed → what was meant: a backslash at the end goes on with the next line,
// and
// """ … """ encloses several.
#pragma once

#include <optional>
#include <string>

namespace millrace::app {

class EntryReader {
 public:
  // The entry once it is whole; nothing while lines are wanted.
  std::optional<std::string> add(std::string line);
  bool wants_more() const { return continues_ || quoted_; }
  void reset();

 private:
  std::optional<std::string> take();

  std::string text_;
  bool continues_ = false, quoted_ = false;
};

}  // namespace millrace::app
