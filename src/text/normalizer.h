// Normalizer: what a tokenizer does to text before it cuts it to words. A short chain of steps.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace millrace::text {

struct NormalizerStep {
  enum class Kind : std::uint8_t {
    form,  // a Unicode normal form
    lower_case,
    strip_marks,
    strip_left,  // white space at the start
    strip_right,
    prepend,  // `content` before a text that is not empty
    replace,  // every match of `pattern` or occurrence of `literal` by `content`
  } kind;
  NormalForm form = NormalForm::nfc;
  std::string literal{};
  std::shared_ptr<const Regex> pattern{};
  std::string content{};
};

// Immutable, thread-safe.
class Normalizer {
 public:
  static constexpr std::size_t kMaxSteps = 64;
  static constexpr std::size_t kMaxContentBytes = 256;

  Normalizer() = default;
  // Refuses chains whose replacements together could make a text more than 16 times as long.
  static Result<Normalizer> build(std::vector<NormalizerStep> steps);

  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view valid_utf8) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace millrace::text
