// Values as text: what {{ … }} prints (Python's str) and what they look like inside lists (repr).
#pragma once

#include <string>

#include "text/jinja/value.h"

namespace millrace::text::jinja {

class Run;

inline constexpr int kMaxValueDepth = 100;  // lists in lists: deeper ones fail

// Appends to `out`; fails the run where the value is too deep, too long or cyclic.
void append_str(Run& run, std::string& out, const Value& value);
void append_repr(Run& run, std::string& out, const Value& value, int depth = 0);
std::string to_str(Run& run, const Value& value);

// The shortest digits that read back as the same number, with a ".0" where it is whole.
std::string real_to_text(double number);
// Python's repr of a string.
void append_quoted(std::string& out, std::string_view text);
// & < > ' " as HTML entities, as the escape filter has them.
std::string html_escaped(std::string_view text);

}  // namespace millrace::text::jinja
