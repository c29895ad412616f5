#include "text/jinja/lexer.h"

#include <array>
#include <charconv>
#include <utility>

#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
// Names may hold any letter; bytes of non-ASCII characters are taken as letters.
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) {
  return starts_name(c) || is_digit(c);
}
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
}

class Lexer {
 public:
  Lexer(std::string_view source, std::deque<std::string>& texts, const LexerOptions& options)
      : source_(source), texts_(texts), options_(options) {}

  Result<std::vector<Token>> run();

 private:
  Status data();
  Status comment();
  Status raw(char sign_before, std::size_t begin);
  Status inside_tag(bool is_print);
  Status token_in_tag();
  Status string_literal();
  Status number();
  Status operator_token();

  bool rest_starts(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  void skip_space() {
    while (at_ < source_.size() && is_space(source_[at_])) advance(1);
  }
  void advance(std::size_t bytes) {
    for (std::size_t i = 0; i < bytes && at_ < source_.size(); ++i) {
      if (source_[at_++] == '\n') ++line_;
    }
  }
  void add(TokenKind kind, std::string_view text = {}) {
    tokens_.push_back({kind, line_, text, 0, 0});
  }
  void add_data(std::string_view text, int line) {
    if (!text.empty()) tokens_.push_back({TokenKind::data, line, text, 0, 0});
  }
  // The text before a tag, less what `sign` or lstrip_blocks takes from its end.
  std::string_view strip_before(std::string_view text, char sign, bool is_print) const;
  // After the end of a block or comment: `-` takes all white space, trim_blocks one newline.
  void trim_after(char sign);
  std::unexpected<Error> wrong(const std::string& message) const {
    return template_error(line_, message);
  }

  std::string_view source_;
  std::deque<std::string>& texts_;
  LexerOptions options_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the character before at_ is a newline, or nothing
  std::vector<Token> tokens_;
  std::vector<char> open_brackets_;
};

std::string_view Lexer::strip_before(std::string_view text, char sign, bool is_print) const {
  if (sign == '-') return strip_right(text);
  if (sign == '+' || is_print || !options_.lstrip_blocks) return text;
  const std::size_t newline = text.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  if (start == 0 && !line_starting_) return text;
  for (const char c : text.substr(start)) {
    if (!is_space(c)) return text;
  }
  return text.substr(0, start);
}

void Lexer::trim_after(char sign) {
  if (sign == '-') {
    skip_space();
  } else if (sign != '+' && options_.trim_blocks && at_ < source_.size() && source_[at_] == '\n') {
    advance(1);
  }
  line_starting_ = at_ > 0 && source_[at_ - 1] == '\n';
}

// From here to the next tag, and that tag's beginning.
Status Lexer::data() {
  const std::size_t begin = at_;
  const int line = line_;
  std::size_t tag = begin;
  for (;; ++tag) {
    tag = source_.find('{', tag);
    if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
      add_data(source_.substr(begin), line);
      advance(source_.size() - begin);
      return {};
    }
    const char next = source_[tag + 1];
    if (next == '{' || next == '%' || next == '#') break;
  }
  const char type = source_[tag + 1];
  char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
  if (sign != '-' && sign != '+') sign = '\0';
  const std::string_view text = source_.substr(begin, tag - begin);
  add_data(strip_before(text, sign, type == '{'), line);
  advance(tag - begin + 2 + (sign ? 1 : 0));
  if (type == '#') return comment();
  if (type == '{') {
    add(TokenKind::print_begin);
    return inside_tag(true);
  }
  // {% raw %} is no token: what follows is data.
  std::size_t look = at_;
  while (look < source_.size() && is_space(source_[look])) ++look;
  if (source_.substr(look).starts_with("raw")) {
    look += 3;
    while (look < source_.size() && is_space(source_[look])) ++look;
    const bool minus = source_.substr(look).starts_with("-%}");
    if (minus || source_.substr(look).starts_with("%}")) {
      advance(look + (minus ? 3 : 2) - at_);
      if (minus) skip_space();
      return raw(sign, at_);
    }
  }
  add(TokenKind::block_begin);
  return inside_tag(false);
}

Status Lexer::raw(char, std::size_t begin) {
  const int line = line_;
  for (std::size_t tag = source_.find("{%", begin); tag != std::string_view::npos;
       tag = source_.find("{%", tag + 1)) {
    std::size_t look = tag + 2;
    char sign = look < source_.size() ? source_[look] : '\0';
    if (sign == '-' || sign == '+') {
      ++look;
    } else {
      sign = '\0';
    }
    while (look < source_.size() && is_space(source_[look])) ++look;
    if (!source_.substr(look).starts_with("endraw")) continue;
    look += 6;
    while (look < source_.size() && is_space(source_[look])) ++look;
    char end_sign = look < source_.size() ? source_[look] : '\0';
    if (end_sign == '-' || end_sign == '+') {
      ++look;
    } else {
      end_sign = '\0';
    }
    if (!source_.substr(look).starts_with("%}")) continue;
    line_starting_ = begin > 0 && source_[begin - 1] == '\n';
    add_data(strip_before(source_.substr(begin, tag - begin), sign, false), line);
    advance(look + 2 - at_);
    trim_after(end_sign);
    return {};
  }
  return wrong("the raw block has no end");
}

Status Lexer::comment() {
  const std::size_t end = source_.find("#}", at_);
  if (end == std::string_view::npos) return wrong("the comment has no end");
  char sign = end > at_ ? source_[end - 1] : '\0';
  if (sign != '-' && sign != '+') sign = '\0';
  advance(end + 2 - at_);
  trim_after(sign);
  return {};
}

Status Lexer::inside_tag(bool is_print) {
  const std::string_view end = is_print ? "}}" : "%}";
  open_brackets_.clear();
  for (;;) {
    skip_space();
    if (at_ >= source_.size()) return wrong("the tag has no end");
    if (open_brackets_.empty()) {
      char sign = source_[at_];
      if (sign != '-' && (sign != '+' || is_print)) sign = '\0';
      if (source_.substr(at_ + (sign ? 1 : 0)).starts_with(end)) {
        add(is_print ? TokenKind::print_end : TokenKind::block_end);
        advance(2 + (sign ? 1u : 0u));
        if (!is_print) {
          trim_after(sign);
        } else {
          if (sign == '-') skip_space();
          line_starting_ = source_[at_ - 1] == '\n';
        }
        return {};
      }
    }
    if (auto taken = token_in_tag(); !taken) return taken;
  }
}

Status Lexer::token_in_tag() {
  const char c = source_[at_];
  if (is_digit(c)) return number();
  if (c == '\'' || c == '"') return string_literal();
  if (!starts_name(c)) return operator_token();
  std::size_t end = at_;
  while (end < source_.size() && continues_name(source_[end])) ++end;
  add(TokenKind::name, source_.substr(at_, end - at_));
  advance(end - at_);
  return {};
}

Status Lexer::operator_token() {
  static constexpr std::array<std::string_view, 26> kOperators = {
      "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
      "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
  for (const std::string_view op : kOperators) {
    if (!rest_starts(op)) continue;
    const char c = op[0];
    if (c == '(' || c == '[' || c == '{') {
      open_brackets_.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    } else if (c == ')' || c == ']' || c == '}') {
      if (open_brackets_.empty()) return wrong(std::string("unexpected '") + c + "'");
      if (open_brackets_.back() != c) {
        return wrong(std::string("unexpected '") + c + "', expected '" + open_brackets_.back() +
                     "'");
      }
      open_brackets_.pop_back();
    }
    add(TokenKind::symbol, source_.substr(at_, op.size()));
    advance(op.size());
    return {};
  }
  return wrong("unexpected character");
}

// Digits with single underscores between them; where they end.
std::size_t digits_end(std::string_view text, std::size_t at) {
  while (at < text.size() && (is_digit(text[at]) || (text[at] == '_' && at + 1 < text.size() &&
                                                     is_digit(text[at + 1])))) {
    ++at;
  }
  return at;
}

std::string without_underscores(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c != '_') clean += c;
  }
  return clean;
}

Status Lexer::number() {
  const std::string_view rest = source_.substr(at_);
  int base = 10;
  if (rest.size() > 2 && rest[0] == '0') {
    const char mark = static_cast<char>(rest[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  }
  Token token{TokenKind::integer, line_, {}, 0, 0};
  if (base != 10) {
    std::size_t end = 2;
    while (end < rest.size() && (continues_name(rest[end]))) ++end;
    const std::string clean = without_underscores(rest.substr(2, end - 2));
    const auto [stop, error] =
        std::from_chars(clean.data(), clean.data() + clean.size(), token.integer, base);
    if (error != std::errc() || stop != clean.data() + clean.size()) return wrong("bad number");
    tokens_.push_back(token);
    advance(end);
    return {};
  }
  std::size_t end = digits_end(rest, 0);
  bool is_real = false;
  const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';  // items.0.1 is two integers
  if (!after_dot) {
    if (end + 1 < rest.size() && rest[end] == '.' && is_digit(rest[end + 1])) {
      end = digits_end(rest, end + 1);
      is_real = true;
    }
    if (end < rest.size() && (rest[end] | 0x20) == 'e') {
      std::size_t exponent = end + 1;
      if (exponent < rest.size() && (rest[exponent] == '+' || rest[exponent] == '-')) ++exponent;
      if (exponent < rest.size() && is_digit(rest[exponent])) {
        end = digits_end(rest, exponent);
        is_real = true;
      }
    }
  }
  const std::string clean = without_underscores(rest.substr(0, end));
  const char* const last = clean.data() + clean.size();
  if (is_real) {
    token.kind = TokenKind::real;
    if (std::from_chars(clean.data(), last, token.real).ec != std::errc())
      return wrong("bad number");
  } else if (std::from_chars(clean.data(), last, token.integer).ec != std::errc()) {
    return wrong("the number " + clean.substr(0, 40) + " is too large");
  }
  tokens_.push_back(token);
  advance(end);
  return {};
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Python's escapes. False for one that has too few digits or names no character.
bool unescape(std::string_view body, std::string& out) {
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 == body.size()) {
      out += body[i];
      continue;
    }
    const char c = body[++i];
    static constexpr std::string_view kFrom = "nrtabfv\\'\"", kTo = "\n\r\t\a\b\f\v\\'\"";
    if (const auto simple = kFrom.find(c); simple != std::string_view::npos) {
      out += kTo[simple];
    } else if (c == '\n') {  // a continued line
    } else if (c >= '0' && c <= '7') {
      char32_t code = 0;
      for (int n = 0; n < 3 && i < body.size() && body[i] >= '0' && body[i] <= '7'; ++n, ++i) {
        code = code * 8 + static_cast<char32_t>(body[i] - '0');
      }
      --i;
      append_char(out, code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      char32_t code = 0;
      for (int n = c == 'x' ? 2 : c == 'u' ? 4 : 8; n > 0; --n) {
        const int digit = i + 1 < body.size() ? hex_digit(body[i + 1]) : -1;
        if (digit < 0) return false;
        code = code * 16 + static_cast<char32_t>(digit);
        ++i;
      }
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
      append_char(out, code);
    } else {  // an unknown escape stays as it is
      out += '\\';
      out += c;
    }
  }
  return true;
}

Status Lexer::string_literal() {
  const char quote = source_[at_];
  std::size_t end = at_ + 1;
  bool escapes = false;
  while (end < source_.size() && source_[end] != quote) {
    if (source_[end] == '\\') {
      escapes = true;
      ++end;
    }
    ++end;
  }
  if (end >= source_.size()) return wrong("the string has no end");
  std::string_view body = source_.substr(at_ + 1, end - at_ - 1);
  if (escapes) {
    std::string text;
    if (!unescape(body, text)) return wrong("the string holds a bad escape");
    body = texts_.emplace_back(std::move(text));
  }
  add(TokenKind::string, body);
  advance(end + 1 - at_);
  return {};
}

Result<std::vector<Token>> Lexer::run() {
  while (at_ < source_.size()) {
    if (auto taken = data(); !taken) return pass(taken);
  }
  add(TokenKind::end);
  return std::move(tokens_);
}

}  // namespace

std::string normalise_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

Result<std::vector<Token>> tokenise(std::string_view source, std::deque<std::string>& texts,
                                    const LexerOptions& options) {
  return Lexer(source, texts, options).run();
}

std::unexpected<Error> template_error(int line, const std::string& message) {
  return invalid("The chat template, line " + std::to_string(line) + ": " + message + ".", {},
                 "template_error");
}

}  // namespace millrace::text::jinja
