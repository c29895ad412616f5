#include "text/normalizer.h"

#include <algorithm>

namespace millrace::text {
namespace {

constexpr double kMaxGrowth = 16;

double growth(const NormalizerStep& step) {
  if (step.kind != NormalizerStep::Kind::replace) return 1;
  // A pattern may match single bytes.
  const std::size_t shortest = step.pattern ? 1 : step.literal.size();
  return std::max(1.0, static_cast<double>(step.content.size()) / static_cast<double>(shortest));
}

std::string replace_literal(std::string_view text, const std::string& literal,
                            const std::string& content) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  std::size_t done = 0;
  for (auto at = text.find(literal); at != text.npos; at = text.find(literal, done)) {
    out += text.substr(done, at - done);
    out += content;
    done = at + literal.size();
  }
  out += text.substr(done);
  return out;
}

std::string replace_pattern(std::string_view text, const Regex& pattern,
                            const std::string& content) {
  std::string out;
  out.reserve(text.size());
  std::size_t done = 0;
  Regex::Scan scan(pattern, text);
  while (const auto match = scan.next()) {
    if (match->begin == match->end) continue;
    out += text.substr(done, match->begin - done);
    out += content;
    done = match->end;
  }
  out += text.substr(done);
  return out;
}

std::string_view strip_left(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    const char* next = p;
    if (!(CharClasses::get()[next_char(next)] & kSpace)) break;
    p = next;
  }
  return {p, end};
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    const char* p = text.data() + begin;
    if (!(CharClasses::get()[next_char(p)] & kSpace)) break;
    text = text.substr(0, begin);
  }
  return text;
}

std::string apply_step(const NormalizerStep& step, std::string text) {
  using enum NormalizerStep::Kind;
  switch (step.kind) {
    case form:
      return normalize(text, step.form);
    case lower_case:
      return to_lower(text);
    case NormalizerStep::Kind::strip_marks:
      return text::strip_marks(text);
    case NormalizerStep::Kind::strip_left:
      return std::string(text::strip_left(text));
    case NormalizerStep::Kind::strip_right:
      return std::string(text::strip_right(text));
    case prepend:
      return text.empty() ? std::move(text) : step.content + text;
    case replace:
      return step.pattern ? replace_pattern(text, *step.pattern, step.content)
                          : replace_literal(text, step.literal, step.content);
  }
  return text;
}

}  // namespace

Result<Normalizer> Normalizer::build(std::vector<NormalizerStep> steps) {
  if (steps.size() > kMaxSteps) return fail(ErrorKind::too_large, "more than 64 normalizers");
  double all_growth = 1;
  for (const NormalizerStep& step : steps) {
    const bool replaces = step.kind == NormalizerStep::Kind::replace;
    if (replaces && !step.pattern && step.literal.empty()) {
      return invalid("a Replace normalizer has an empty pattern");
    }
    if (step.content.size() > kMaxContentBytes) {
      return fail(ErrorKind::too_large, "a normalizer inserts more than 256 bytes");
    }
    all_growth *= growth(step);
    if (all_growth > kMaxGrowth) {
      return fail(ErrorKind::too_large, "the normalizers could make a text over 16 times as long");
    }
  }
  Normalizer out;
  out.steps_ = std::move(steps);
  return out;
}

std::string Normalizer::apply(std::string_view valid_utf8) const {
  std::string text(valid_utf8);
  for (const NormalizerStep& step : steps_) text = apply_step(step, std::move(text));
  return text;
}

}  // namespace millrace::text
