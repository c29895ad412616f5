#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

namespace millrace::text {
namespace {

constexpr char32_t kCodePoints = 0x110000;

bool is_white_space(char32_t c) {  // Unicode's White_Space; the general category does not say it
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::uint8_t class_of(char32_t c) {
  unsigned bits = is_white_space(c) ? kSpace : 0;
  if (c == '\r' || c == '\n') bits |= kNewline;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) bits |= kLetter;
  if (category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME) bits |= kMark;
  if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) bits |= kNumber;
  if (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) bits |= kPunctuation;
  if (category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO) {
    bits |= kSymbol | (c < 128 ? kAsciiSymbol : 0);
  }
  return static_cast<std::uint8_t>(bits);
}

// Planes 4 to 13 hold nothing, 15 and 16 are for private use: neither has a class.
bool plane_is_empty(char32_t c) {
  const char32_t plane = c >> 16;
  return (plane >= 4 && plane <= 13) || plane >= 15;
}

int combining_class(char32_t c) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

constexpr std::uint64_t kHighBits = 0x8080808080808080;

std::uint64_t load_8(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

bool is_ascii(std::string_view text) {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    if (load_8(text.data() + at) & kHighBits) return false;
  }
  for (; at < text.size(); ++at) {
    if (static_cast<unsigned char>(text[at]) >= 0x80) return false;
  }
  return true;
}

}  // namespace

const CharClasses& CharClasses::get() {
  static const CharClasses classes;
  return classes;
}

CharClasses::CharClasses() {
  std::map<Page, std::uint16_t> known;
  std::vector<Page> pages;
  for (char32_t first = 0; first < kCodePoints; first += 256) {
    Page page{};
    if (!plane_is_empty(first)) {
      for (char32_t i = 0; i < 256; ++i) page[i] = class_of(first + i);
    }
    const auto [at, is_new] = known.try_emplace(page, static_cast<std::uint16_t>(pages.size()));
    if (is_new) pages.push_back(page);
    page_of_[first >> 8] = at->second;
  }
  pages_ = std::make_unique<Page[]>(pages.size());
  std::copy(pages.begin(), pages.end(), pages_.get());
  std::copy_n(pages_[page_of_[0]].begin(), 128, ascii_.begin());
}

void append_utf8(std::string& out, char32_t c) {
  const auto push = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return push(c);
  if (c < 0x800) {
    push(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      push(0xE0 | c >> 12);
    } else {
      push(0xF0 | c >> 18);
      push(0x80 | (c >> 12 & 0x3F));
    }
    push(0x80 | (c >> 6 & 0x3F));
  }
  push(0x80 | (c & 0x3F));
}

Utf8Step utf8_step(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, Utf8Step::valid};
  if (lead < 0xC2 || lead > 0xF4) return {1, Utf8Step::invalid};
  const int length = utf8_length(lead);
  // Only the second byte's range depends on the first: no overlong forms, no surrogates.
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  for (int i = 1; i < length; ++i) {
    if (at + static_cast<std::size_t>(i) >= bytes.size()) return {i, Utf8Step::cut_short};
    const unsigned char c = byte(static_cast<std::size_t>(i));
    if (c < low || c > high) return {i, Utf8Step::invalid};
    low = 0x80;
    high = 0xBF;
  }
  return {length, Utf8Step::valid};
}

bool is_valid_utf8(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (at + 8 <= bytes.size() && !(load_8(bytes.data() + at) & kHighBits)) {
      at += 8;
      continue;
    }
    const std::size_t stop = std::min(at + 8, bytes.size());
    while (at < stop) {
      const Utf8Step step = utf8_step(bytes, at);
      if (step.state != Utf8Step::valid) return false;
      at += static_cast<std::size_t>(step.length);
    }
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes, at);
    const auto length = static_cast<std::size_t>(step.length);
    out += step.state == Utf8Step::valid ? bytes.substr(at, length) : kReplacementCharacter;
    at += length;
  }
  return out;
}

namespace {

// utf8proc's own reordering of combining marks takes quadratic time, so that step is ours.
void append_normalized(std::string_view utf8, NormalForm form, std::string& out) {
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const bool compose = form == NormalForm::nfc || form == NormalForm::nfkc;
  const int options =
      UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? int{UTF8PROC_COMPAT} : 0);

  std::vector<utf8proc_int32_t> chars;
  chars.reserve(utf8.size() + 32);
  const char* p = utf8.data();
  const char* const end = p + utf8.size();
  while (p < end) {
    const char32_t c = next_char(p);
    std::array<utf8proc_int32_t, 32> parts;  // the longest decomposition has 18
    int boundary = 0;
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(),
                                static_cast<utf8proc_option_t>(options), &boundary);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(parts.size())) {
      chars.push_back(static_cast<utf8proc_int32_t>(c));
    } else {
      chars.insert(chars.end(), parts.begin(), parts.begin() + count);
    }
  }
  const auto class_of_mark = [](utf8proc_int32_t c) {
    return combining_class(static_cast<char32_t>(c));
  };
  for (auto at = chars.begin(); at != chars.end();) {
    const auto first = std::find_if(at, chars.end(), class_of_mark);
    at = std::find_if_not(first, chars.end(), class_of_mark);
    std::stable_sort(first, at,
                     [&](auto a, auto b) { return class_of_mark(a) < class_of_mark(b); });
  }
  auto count = static_cast<utf8proc_ssize_t>(chars.size());
  if (compose) {
    count = utf8proc_normalize_utf32(
        chars.data(), count, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  }
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    append_utf8(out, static_cast<char32_t>(chars[static_cast<std::size_t>(i)]));
  }
}

// The characters that composition may change, or change by: combining marks, the second characters
// of compositions, and those that NFC replaces. Text without them is in NFC.
class UnstableCharacters {
 public:
  static const UnstableCharacters& get() {
    static const UnstableCharacters unstable;
    return unstable;
  }
  bool operator[](char32_t c) const { return bits_[c >> 6] >> (c & 63) & 1; }

 private:
  UnstableCharacters() : bits_(kCodePoints / 64) {
    for (char32_t c = 0x80; c < kCodePoints; ++c) {
      if (plane_is_empty(c)) continue;
      if (is_unstable(c)) bits_[c >> 6] |= std::uint64_t{1} << (c & 63);
    }
  }
  static bool is_unstable(char32_t c) {
    const utf8proc_property_t& property = *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    const bool is_jamo = (c >= 0x1160 && c <= 0x11FF);  // vowels and final consonants
    if (property.combining_class != 0 || is_jamo) return true;
    constexpr auto kNone = UINT16_MAX;
    if (property.comb_index != kNone && (property.comb_index & 0x8000)) return true;
    if (property.decomp_seqindex == kNone || property.decomp_type != 0) return false;
    std::string before;
    std::string after;
    append_utf8(before, c);
    append_normalized(before, NormalForm::nfc, after);
    return before != after;
  }
  std::vector<std::uint64_t> bits_;
};

// Only unstable characters and the one before them go the long way.
std::string compose(std::string_view utf8) {
  const UnstableCharacters& unstable = UnstableCharacters::get();
  std::string out;
  out.reserve(utf8.size() + 16);
  const char* done = utf8.data();
  const char* const end = done + utf8.size();
  const char* previous = done;
  for (const char* p = done; p < end;) {
    const char* const here = p;
    if (static_cast<unsigned char>(*p) < 0x80 || !unstable[next_char(p)]) {
      if (p == here) ++p;
      previous = here;
      continue;
    }
    while (p < end) {
      const char* next = p;
      if (!unstable[next_char(next)]) break;
      p = next;
    }
    out.append(done, previous);
    append_normalized({previous, p}, NormalForm::nfc, out);
    done = previous = p;
  }
  return out.append(done, end);
}

}  // namespace

std::string normalize(std::string_view utf8, NormalForm form) {
  if (is_ascii(utf8)) return std::string(utf8);
  if (form == NormalForm::nfc) return compose(utf8);
  std::string out;
  append_normalized(utf8, form, out);
  return out;
}

std::string to_lower(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  const char* p = utf8.data();
  const char* const end = p + utf8.size();
  while (p < end) {
    const char32_t c = next_char(p);
    if (c == 0x130) {  // the one lower case of two characters
      out += "i\xCC\x87";
    } else {
      append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  return out;
}

std::string strip_marks(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  const char* p = utf8.data();
  const char* const end = p + utf8.size();
  while (p < end) {
    const char32_t c = next_char(p);
    if (utf8proc_category(static_cast<utf8proc_int32_t>(c)) != UTF8PROC_CATEGORY_MN)
      append_utf8(out, c);
  }
  return out;
}

}  // namespace millrace::text
