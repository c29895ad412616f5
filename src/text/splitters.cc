// The patterns of the common models, written out: one pass, no backtracking. Each function says
// which regular expression it is; the tests compare them with that expression in PCRE2.
#include "text/splitters.h"
#include "text/pretokenize.h"
#include "text/unicode.h"

namespace millrace::text {
namespace {

// A place in a valid text and what is known of the character there.
class Cursor {
 public:
  Cursor(std::string_view text, const CharClasses& classes)
      : classes_(classes), p_(text.data()), end_(p_ + text.size()) {}

  const char* at() const { return p_; }
  bool done() const { return p_ == end_; }
  void move_to(const char* p) { p_ = p; }
  char byte() const { return *p_; }

  // Class of the character at p; `next` is where it ends. At the end of the text: no class.
  unsigned class_at(const char* p, const char*& next) const {
    if (p == end_) {
      next = p;
      return 0;
    }
    if (static_cast<unsigned char>(*p) < 128) {
      next = p + 1;
      return classes_.ascii(static_cast<unsigned char>(*p));
    }
    next = p;
    return classes_[next_char(next)];
  }
  // Behind the run of characters that have one of these classes.
  const char* skip_with(const char* p, unsigned any_of) const {
    return skip(p, [=](unsigned c) { return (c & any_of) != 0; });
  }
  const char* skip_without(const char* p, unsigned none_of) const {
    return skip(p, [=](unsigned c) { return (c & none_of) == 0; });
  }
  const char* skip_newlines(const char* p) const {
    while (p != end_ && (*p == '\r' || *p == '\n')) ++p;
    return p;
  }
  char byte_at(const char* p) const { return p < end_ ? *p : '\0'; }
  const char* end() const { return end_; }

 private:
  template <class Test>
  const char* skip(const char* p, Test test) const {
    while (p != end_) {
      if (static_cast<unsigned char>(*p) < 128) {
        if (!test(classes_.ascii(static_cast<unsigned char>(*p)))) break;
        ++p;
        continue;
      }
      const char* next = p;
      if (!test(classes_[next_char(next)])) break;
      p = next;
    }
    return p;
  }

  const CharClasses& classes_;
  const char* p_;
  const char* end_;
};

// 's|'t|'re|'ve|'m|'ll|'d at p; its end, or p where there is none. Ignoring case, ſ (U+017F) is an
// s.
template <bool kIgnoreCase>
const char* contraction(const Cursor& cursor, const char* p) {
  const auto letter = [&](const char* at) {
    const char c = cursor.byte_at(at);
    return kIgnoreCase && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  const char first = letter(p + 1);
  switch (first) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return p + 2;
    case 'r':
    case 'v':
      return letter(p + 2) == 'e' ? p + 3 : p;
    case 'l':
      return letter(p + 2) == 'l' ? p + 3 : p;
    default:
      break;
  }
  if (kIgnoreCase && first == '\xC5' && cursor.byte_at(p + 2) == '\xBF') return p + 3;
  return p;
}

// \s+(?!\S)|\s+ over the white space at p: all of it at the end of the text (or before a character
// with a class in `as_end`), else all but its last character, else that one.
const char* white_space(const Cursor& cursor, const char* p, unsigned as_end = 0) {
  const char* last = p;
  const char* next = p;
  const char* after = p;
  unsigned char_class = 0;
  while ((char_class = cursor.class_at(after, next)) & kSpace) {
    last = after;
    after = next;
  }
  if (after == cursor.end() || (char_class & as_end) || last == p) return after;
  return last;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// kDigitsAlone: each \p{N} was made a word before, so it also ends the text for what is left of it.
template <bool kDigitsAlone>
const char* gpt2_word(const Cursor& cursor) {
  const char* const p = cursor.at();
  if (cursor.byte() == '\'') {
    if (const char* end = contraction<false>(cursor, p); end != p) return end;
  }
  const char* next;
  unsigned char_class = cursor.class_at(p, next);
  const char* first = p;
  if (cursor.byte() == ' ') {
    const char* behind;
    const unsigned following = cursor.class_at(next, behind);
    const bool joins =
        next != cursor.end() && !(following & kSpace) && !(kDigitsAlone && (following & kNumber));
    if (joins) {
      char_class = following;
      first = next;
      next = behind;
    }
  }
  if (char_class & kLetter) return cursor.skip_with(next, kLetter);
  if (char_class & kNumber) return kDigitsAlone ? next : cursor.skip_with(next, kNumber);
  if (!(char_class & kSpace)) return cursor.skip_without(first, kLetter | kNumber | kSpace);
  return white_space(cursor, p, kDigitsAlone ? kNumber : 0);
}

template <bool kDigitsAlone>
class Gpt2Splitter final : public Splitter {
 public:
  void split(std::string_view text, WordSink& sink) const override {
    Cursor cursor(text, CharClasses::get());
    while (!cursor.done()) {
      const char* const end = gpt2_word<kDigitsAlone>(cursor);
      sink.put({cursor.at(), static_cast<std::size_t>(end - cursor.at())});
      cursor.move_to(end);
    }
  }
};

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?WORD+|\p{N}{1,digits}| ?[^\s\p{N}WORD]+[\r\n]*|
// \s*[\r\n]+|\s+(?!\S)|\s+      where WORD is \p{L}, or [\p{L}\p{M}] with kMarksInWords
template <int kDigits, bool kMarksInWords>
const char* cl100k_word(const Cursor& cursor) {
  constexpr unsigned kWord = kMarksInWords ? kLetter | kMark : kLetter;
  const char* const p = cursor.at();
  if (cursor.byte() == '\'') {
    if (const char* end = contraction<true>(cursor, p); end != p) return end;
  }
  const char* next;
  const unsigned char_class = cursor.class_at(p, next);
  if (char_class & kWord) return cursor.skip_with(next, kWord);
  if (char_class & kNumber) {
    for (int count = 1; count < kDigits; ++count) {
      const char* behind;
      if (!(cursor.class_at(next, behind) & kNumber)) break;
      next = behind;
    }
    return next;
  }
  const char* behind;
  const unsigned following = cursor.class_at(next, behind);
  if (!(char_class & kNewline) && (following & kWord)) return cursor.skip_with(behind, kWord);

  constexpr unsigned kNotOther = kSpace | kNumber | kWord;
  if (!(char_class & kSpace)) {
    return cursor.skip_newlines(cursor.skip_without(next, kNotOther));
  }
  if (cursor.byte() == ' ' && next != cursor.end() && !(following & kNotOther)) {
    return cursor.skip_newlines(cursor.skip_without(behind, kNotOther));
  }
  const char* last_newline = nullptr;
  for (const char* at = p; cursor.class_at(at, behind) & kSpace; at = behind) {
    if (*at == '\r' || *at == '\n') last_newline = at;
  }
  return last_newline ? last_newline + 1 : white_space(cursor, p);
}

template <int kDigits, bool kMarksInWords>
class Cl100kSplitter final : public Splitter {
 public:
  void split(std::string_view text, WordSink& sink) const override {
    Cursor cursor(text, CharClasses::get());
    while (!cursor.done()) {
      const char* const end = cl100k_word<kDigits, kMarksInWords>(cursor);
      sink.put({cursor.at(), static_cast<std::size_t>(end - cursor.at())});
      cursor.move_to(end);
    }
  }
};

}  // namespace

std::unique_ptr<Splitter> make_gpt2_splitter() {
  return std::make_unique<Gpt2Splitter<false>>();
}
std::unique_ptr<Splitter> make_digits_then_gpt2_splitter() {
  return std::make_unique<Gpt2Splitter<true>>();
}

std::unique_ptr<Splitter> make_known_splitter(std::string_view pattern) {
  if (pattern == kGpt2Pattern || pattern == kGpt2PatternShort) return make_gpt2_splitter();
  if (pattern == kLlama3Pattern) return std::make_unique<Cl100kSplitter<3, false>>();
  if (pattern == kQwen2Pattern) return std::make_unique<Cl100kSplitter<1, false>>();
  if (pattern == kQwen35Pattern) return std::make_unique<Cl100kSplitter<1, true>>();
  return nullptr;
}

}  // namespace millrace::text
