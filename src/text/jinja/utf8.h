// Strings as Python sees them: sequences of code points. Bytes that are not UTF-8 count as one
// character each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::text::jinja {

void append_char(std::string& out, char32_t code);
// The code point at `at` (which is moved behind it). Stray bytes give U+FFFD.
char32_t next_char(std::string_view text, std::size_t& at);

std::size_t count_chars(std::string_view text);
// Where each character begins, and text.size() at the end.
std::vector<std::size_t> char_offsets(std::string_view text);
bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);

bool is_space_char(char32_t code);  // str.isspace()
bool is_alpha_char(char32_t code);
bool is_digit_char(char32_t code);
bool is_upper_char(char32_t code);
bool is_lower_char(char32_t code);
bool is_printable_char(char32_t code);  // what repr() leaves as it is

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_capitalised(std::string_view text);  // str.capitalize()
std::string to_title(std::string_view text);        // str.title()
std::string swap_case(std::string_view text);

// Without white space, or without the characters of `set`, at either end.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
std::string_view strip_left(std::string_view text, std::string_view set);
std::string_view strip_right(std::string_view text, std::string_view set);

// Where `what` is first and last; npos where it is not. Linear time for any input.
std::size_t find_text(std::string_view text, std::string_view what);
std::size_t find_last_text(std::string_view text, std::string_view what);

// str.splitlines() for the line ends that occur: \n, \r, \r\n, \v, \f, U+0085, U+2028, U+2029.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

}  // namespace millrace::text::jinja
