// A compiled regular expression with bounded work. The one file that names PCRE2.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace millrace::text {

// Immutable and thread-safe. Patterns come from model files, so both they and the work that one
// search may do are bounded.
class Regex {
 public:
  static constexpr std::size_t kMaxPatternBytes = 16384;
  static Result<Regex> compile(std::string_view pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // All matches of one text, from left to right, that do not overlap and are not empty.
  class Scan {
   public:
    Scan(const Regex& regex, std::string_view valid_utf8);
    ~Scan();
    struct Match {
      std::size_t begin;
      std::size_t end;
    };
    // None at the end of the text, and after the pattern has used up its budget of work.
    std::optional<Match> next();

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct Program;
  explicit Regex(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace millrace::text
