#include "text/jinja/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

namespace millrace::text::jinja {
namespace {

constexpr char32_t kReplacement = 0xfffd;

utf8proc_category_t category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}
char32_t upper(char32_t code) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}
char32_t lower(char32_t code) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

void append_upper(std::string& out, char32_t code) {
  if (code == U'ß') {
    out += "SS";  // the one common letter whose upper case is two
  } else {
    append_char(out, upper(code));
  }
}

void append_title(std::string& out, char32_t code) {
  if (code == U'ß') {
    out += "Ss";
  } else {
    append_char(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code))));
  }
}

void append_lower(std::string& out, char32_t code) {
  append_char(out, lower(code));
}

template <class Map>
std::string mapped(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) map(out, next_char(text, at));
  return out;
}

bool contains_char(std::string_view set, char32_t code) {
  for (std::size_t at = 0; at < set.size();) {
    if (next_char(set, at) == code) return true;
  }
  return false;
}

template <class Dropped>
std::string_view drop_left(std::string_view text, Dropped dropped) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (!dropped(next_char(text, at))) return text.substr(begin);
  }
  return {};
}

template <class Dropped>
std::string_view drop_right(std::string_view text, Dropped dropped) {
  while (!text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 4 && (text[begin] & 0xc0) == 0x80) --begin;
    std::size_t at = begin;
    char32_t code = next_char(text, at);
    if (at != text.size()) {  // not one whole character
      begin = text.size() - 1;
      code = kReplacement;
    }
    if (!dropped(code)) return text;
    text = text.substr(0, begin);
  }
  return text;
}

bool ends_line(char32_t code) {
  return (code >= U'\n' && code <= U'\r') || (code >= 0x1c && code <= 0x1e) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

}  // namespace

void append_char(std::string& out, char32_t code) {
  const auto byte = [&](char32_t bits) { out += static_cast<char>(bits); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | (code >> 6));
    byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    byte(0xe0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3f));
    byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3f));
    byte(0x80 | ((code >> 6) & 0x3f));
    byte(0x80 | (code & 0x3f));
  }
}

char32_t next_char(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) {
    ++at;
    return first;
  }
  utf8proc_int32_t code = -1;
  const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                     static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  if (used <= 0 || code < 0) {
    ++at;
    return kReplacement;
  }
  at += static_cast<std::size_t>(used);
  return static_cast<char32_t>(code);
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_utf8(std::string_view text) {
  utf8proc_int32_t code = -1;
  for (std::size_t at = 0; at < text.size();) {
    const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                       static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    if (used <= 0) return false;
    at += static_cast<std::size_t>(used);
  }
  return true;
}

std::size_t count_chars(std::string_view text) {
  if (is_ascii(text)) return text.size();
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) next_char(text, at);
  return count;
}

std::vector<std::size_t> char_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  offsets.reserve(text.size() + 1);
  for (std::size_t at = 0; at < text.size();) {
    offsets.push_back(at);
    next_char(text, at);
  }
  offsets.push_back(text.size());
  return offsets;
}

bool is_space_char(char32_t code) {
  if (code < 0x80)
    return code == ' ' || (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x1f);
  if (code == 0x85) return true;
  const auto kind = category(code);
  return kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
         kind == UTF8PROC_CATEGORY_ZP;
}

bool is_alpha_char(char32_t code) {
  const auto kind = category(code);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}
bool is_digit_char(char32_t code) {
  return category(code) == UTF8PROC_CATEGORY_ND;
}
bool is_upper_char(char32_t code) {
  return category(code) == UTF8PROC_CATEGORY_LU || category(code) == UTF8PROC_CATEGORY_LT;
}
bool is_lower_char(char32_t code) {
  return category(code) == UTF8PROC_CATEGORY_LL;
}

bool is_printable_char(char32_t code) {
  if (code < 0x7f) return code >= 0x20;
  switch (category(code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

std::string to_upper(std::string_view text) {
  return mapped(text, append_upper);
}

std::string to_lower(std::string_view text) {
  return mapped(text, append_lower);
}

std::string to_capitalised(std::string_view text) {
  bool first = true;
  return mapped(text, [&first](std::string& out, char32_t code) {
    first ? append_title(out, code) : append_lower(out, code);
    first = false;
  });
}

std::string to_title(std::string_view text) {
  bool inside = false;  // after a letter
  return mapped(text, [&inside](std::string& out, char32_t code) {
    inside ? append_lower(out, code) : append_title(out, code);
    inside = is_alpha_char(code);
  });
}

std::string swap_case(std::string_view text) {
  return mapped(text, [](std::string& out, char32_t code) {
    if (is_upper_char(code)) {
      append_lower(out, code);
    } else {
      append_upper(out, code);
    }
  });
}

std::string_view strip_left(std::string_view text) {
  return drop_left(text, is_space_char);
}
std::string_view strip_right(std::string_view text) {
  return drop_right(text, is_space_char);
}
std::string_view strip_left(std::string_view text, std::string_view set) {
  return drop_left(text, [set](char32_t code) { return contains_char(set, code); });
}
std::string_view strip_right(std::string_view text, std::string_view set) {
  return drop_right(text, [set](char32_t code) { return contains_char(set, code); });
}

std::size_t find_text(std::string_view text, std::string_view what) {
  if (what.empty()) return 0;
  if (text.size() < what.size()) return std::string_view::npos;  // memmem wants no null either
  const void* const found = ::memmem(text.data(), text.size(), what.data(), what.size());
  if (!found) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::size_t find_last_text(std::string_view text, std::string_view what) {
  const std::string backwards(text.rbegin(), text.rend());
  const std::size_t at = find_text(backwards, std::string(what.rbegin(), what.rend()));
  return at == std::string_view::npos ? at : text.size() - at - what.size();
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = at;
    const char32_t code = next_char(text, at);
    if (!ends_line(code)) continue;
    if (code == U'\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace millrace::text::jinja
