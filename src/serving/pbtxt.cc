#include "serving/pbtxt.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::serving {
namespace {

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxFields = 20'000;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Of a word that is a value: a number with its sign, point and exponent, or a name.
bool is_word(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '+';
}

int digit_of(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Result<PbtxtMessage> whole() {
    PbtxtMessage message;
    if (Status done = fields(message, '\0', 0); !done) return pass(done);
    return message;
  }

 private:
  std::unexpected<Error> wrong(std::string_view what) const {
    return invalid(fmt::format("{}:{}: {}", file_, line_, what));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        if (at_ == text_.size()) return;
      }
      if (text_[at_] == '\n') ++line_;
      if (!is_space(text_[at_])) return;
    }
  }

  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // Until `close`; '\0' is the end of the text.
  Status fields(PbtxtMessage& out, char close, int depth) {
    if (depth > kMaxDepth) return wrong("messages are nested too deeply");
    while (true) {
      skip();
      if (at_ >= text_.size()) {
        if (close == '\0') return {};
        return wrong(fmt::format("'{}' is missing at the end", close));
      }
      if (close != '\0' && take(close)) return {};
      if (Status done = field(out, depth); !done) return done;
      if (!take(',')) take(';');
    }
  }

  bool at_message() {
    skip();
    return peek() == '{' || peek() == '<';
  }

  // Only messages, and lists of them, may do without.
  Status without_colon(const std::string& name) const {
    return wrong(fmt::format("':' is missing behind '{}'", name));
  }

  Status field(PbtxtMessage& out, int depth) {
    const std::size_t begin = at_;
    while (is_letter(peek()) || (at_ > begin && is_digit(peek()))) ++at_;
    if (at_ == begin) return wrong("a field's name is expected");
    const std::string name(text_.substr(begin, at_ - begin));
    const bool colon = take(':');
    if (take('[')) {
      if (take(']')) return {};
      if (!colon && !at_message()) return without_colon(name);
      while (true) {
        if (Status done = value(out, name, depth); !done) return done;
        if (take(']')) return {};
        if (!take(',')) return wrong(fmt::format("the list of '{}' lacks a ',' or ']'", name));
      }
    }
    if (!colon && !at_message()) return without_colon(name);
    return value(out, name, depth);
  }

  Status value(PbtxtMessage& out, const std::string& name, int depth) {
    skip();
    if (++num_fields_ > kMaxFields) return wrong("too many fields");
    PbtxtField made{.name = name, .line = line_};
    if (take('{') || take('<')) {
      made.kind = PbtxtField::Kind::message;
      const char close = text_[at_ - 1] == '{' ? '}' : '>';
      if (Status done = fields(made.message, close, depth + 1); !done) return done;
    } else if (peek() == '"' || peek() == '\'') {
      made.kind = PbtxtField::Kind::string;
      for (; peek() == '"' || peek() == '\''; skip()) {  // adjacent ones are one
        if (Status done = quoted(made.text); !done) return done;
      }
    } else {
      const std::size_t begin = at_;
      while (is_word(peek())) ++at_;
      if (at_ == begin) return wrong(fmt::format("'{}' has no value", name));
      made.text = text_.substr(begin, at_ - begin);
    }
    out.fields.push_back(std::move(made));
    return {};
  }

  Status quoted(std::string& out) {
    const char quote = text_[at_++];
    while (true) {
      if (at_ >= text_.size() || text_[at_] == '\n') return wrong("a string has no end");
      const char c = text_[at_++];
      if (c == quote) return {};
      if (c != '\\') {
        out += c;
        continue;
      }
      if (Status done = escape(out); !done) return done;
    }
  }

  Status escape(std::string& out) {
    if (at_ >= text_.size()) return wrong("a string has no end");
    const char c = text_[at_++];
    constexpr std::string_view kNames = "abfnrtv\\\"'?", kValues = "\a\b\f\n\r\t\v\\\"'?";
    if (const auto found = kNames.find(c); found != std::string_view::npos) {
      out += kValues[found];
      return {};
    }
    const bool hex = c == 'x' || c == 'X';
    if (!hex && digit_of(c) > 7) return wrong("a string has an escape that is not known");
    int code = hex ? 0 : digit_of(c);
    const int base = hex ? 16 : 8;
    for (int i = 0; i < 2 && digit_of(peek()) < base; ++i)
      code = code * base + digit_of(text_[at_++]);
    if (code > 255) return wrong("a string has an escape above 255");
    out += static_cast<char>(code);
    return {};
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::size_t num_fields_ = 0;
  int line_ = 1;
};

}  // namespace

const PbtxtField* PbtxtMessage::find(std::string_view name) const {
  const auto found = std::ranges::find(fields.rbegin(), fields.rend(), name, &PbtxtField::name);
  return found == fields.rend() ? nullptr : &*found;
}

Result<PbtxtMessage> parse_pbtxt(std::string_view text, const std::string& file_name) {
  if (text.size() > kMaxPbtxtBytes) {
    return fail(ErrorKind::too_large,
                fmt::format("{} has more than {} bytes", file_name, kMaxPbtxtBytes));
  }
  return Parser(text, file_name).whole();
}

}  // namespace millrace::serving
