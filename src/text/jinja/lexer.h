// Template text to tokens, with jinja2's rules for white space: trim_blocks and lstrip_blocks are
// on, `-` and `+` in tags override them, one newline at the very end is dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::text::jinja {

enum class TokenKind : std::uint8_t {
  data,
  print_begin,
  print_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  symbol,  // an operator or bracket; text says which
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  int line = 1;
  std::string_view text;  // data, names, operators; the content of strings
  std::int64_t integer = 0;
  double real = 0;
};

struct LexerOptions {
  bool trim_blocks = true;
  bool lstrip_blocks = true;
};

// \r\n and \r become \n; one newline at the end goes.
std::string normalise_newlines(std::string_view source);

// `source` as normalise_newlines() left it. Tokens point into `source` and `texts` (strings with
// escapes). The last token is `end`.
Result<std::vector<Token>> tokenise(std::string_view source, std::deque<std::string>& texts,
                                    const LexerOptions& options = {});

// Errors of templates: invalid_argument, code "template_error".
std::unexpected<Error> template_error(int line, const std::string& message);

}  // namespace millrace::text::jinja
