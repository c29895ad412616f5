#include "text/jinja/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "text/jinja/access.h"
#include "text/jinja/run.h"
#include "text/jinja/text_form.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

constexpr int kMaxWidth = 10'000;
constexpr int kMaxPrecision = 100;

// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = '\0';
  char sign = '-';
  bool alternate = false;
  char grouping = '\0';
  int width = 0;
  int precision = -1;
  char type = '\0';
};

// Digits at `at`, which moves behind them; false where the number is over `most`.
bool read_number(std::string_view text, std::size_t& at, int most, int& out) {
  out = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    out = out * 10 + (text[at] - '0');
    if (out > most) return false;
  }
  return true;
}

bool parse_spec(std::string_view text, Spec& spec) {
  std::size_t at = 0;
  const auto peek = [&](std::size_t i) { return i < text.size() ? text[i] : '\0'; };
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (!text.empty()) {
    std::size_t after = 0;
    next_char(text, after);
    if (is_align(peek(after))) {
      spec.fill = text.substr(0, after);
      spec.align = text[after];
      at = after + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      at = 1;
    }
  }
  if (peek(at) == '+' || peek(at) == '-' || peek(at) == ' ') spec.sign = text[at++];
  if (peek(at) == '#') spec.alternate = true, ++at;
  if (peek(at) == '0' && !spec.align) spec.fill = "0", spec.align = '=', ++at;
  if (!read_number(text, at, kMaxWidth, spec.width)) return false;
  if (peek(at) == ',' || peek(at) == '_') spec.grouping = text[at++];
  if (peek(at) == '.') {
    ++at;
    if (!read_number(text, at, kMaxPrecision, spec.precision)) return false;
  }
  if (at < text.size()) spec.type = text[at++];
  return at == text.size();
}

std::string padded(const Spec& spec, const std::string& sign, const std::string& body,
                   char default_align) {
  const auto length = static_cast<int>(count_chars(sign) + count_chars(body));
  const int missing = std::max(0, spec.width - length);
  const char align = spec.align ? spec.align : default_align;
  const int before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  const int between = align == '=' ? missing : 0;
  std::string out;
  const auto fill = [&](int count) {
    for (int i = 0; i < count; ++i) out += spec.fill;
  };
  fill(before);
  out += sign;
  fill(between);
  out += body;
  fill(missing - before - between);
  return out;
}

std::string in_base(std::uint64_t number, unsigned base, bool upper) {
  std::string digits;
  do {
    const auto digit = static_cast<char>(number % base);
    digits += static_cast<char>(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
    number /= base;
  } while (number != 0);
  return {digits.rbegin(), digits.rend()};
}

std::string grouped(const std::string& digits, char separator, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out;
}

std::string sign_of(const Spec& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

std::string whole_number(const Spec& spec, std::int64_t number) {
  const auto size =
      number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  std::string sign = sign_of(spec, number < 0);
  unsigned base = 10;
  if (spec.type == 'x' || spec.type == 'X') base = 16;
  if (spec.type == 'o') base = 8;
  if (spec.type == 'b') base = 2;
  std::string digits = in_base(size, base, spec.type == 'X');
  if (spec.alternate && base != 10) sign += std::string("0") + spec.type;
  if (spec.grouping) digits = grouped(digits, spec.grouping, base == 10 ? 3 : 4);
  return padded(spec, sign, digits, '>');
}

std::string real_number(const Spec& spec, double number) {
  std::string body;
  std::string suffix;
  double size = std::fabs(number);
  if (spec.type == '%') {
    size *= 100;
    suffix = "%";
  }
  const char type = spec.type == '%' ? 'f' : spec.type;
  if (type == '\0' && spec.precision < 0) {
    body = real_to_text(size);
  } else {
    const std::string form = std::string("%") + (spec.alternate ? "#" : "") + ".*" +
                             (type == '\0' || type == 'n' ? 'g' : type);
    std::array<char, 512> buffer;  // 309 digits and 100 behind the point
    const int precision = spec.precision < 0 ? 6 : spec.precision;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    std::snprintf(buffer.data(), buffer.size(), form.c_str(), precision, size);
#pragma GCC diagnostic pop
    body = buffer.data();
  }
  if (spec.grouping) {
    const std::size_t point = std::min(body.find_first_of(".e"), body.size());
    body = grouped(body.substr(0, point), spec.grouping, 3) + body.substr(point);
  }
  return padded(spec, sign_of(spec, std::signbit(number)), body + suffix, '>');
}

bool is_one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

std::string first_chars(std::string_view text, int count) {
  std::size_t at = 0;
  for (int i = 0; i < count && at < text.size(); ++i) next_char(text, at);
  return std::string(text.substr(0, at));
}

// One value in one format; fails the run where they do not fit.
std::string formatted(Run& run, const Value& value, const Spec& spec) {
  if (value.is_integral() && !(value.is(Kind::boolean) && spec.type == '\0')) {
    if (spec.type == '\0' || is_one_of(spec.type, "dnxXob")) {
      return whole_number(spec, value.as_integer());
    }
    if (spec.type == 'c') {
      std::string text;
      append_char(text,
                  static_cast<char32_t>(std::clamp<std::int64_t>(value.as_integer(), 0, 0x10ffff)));
      return padded(spec, "", text, '<');
    }
  }
  if (value.is_number() && is_one_of(spec.type, "eEfFgGn%"))
    return real_number(spec, value.as_real());
  if (value.is(Kind::real) && spec.type == '\0') return real_number(spec, value.real);
  if (spec.type == '\0' || (spec.type == 's' && value.is_string())) {
    std::string text = to_str(run, value);
    if (spec.precision >= 0) text = first_chars(text, spec.precision);
    return padded(spec, "", text, '<');
  }
  run.fail(std::string("the format '") + spec.type + "' does not fit a value of type " +
           type_name(value));
  return {};
}

// Walks over the arguments of a % format.
class PercentFormatter {
 public:
  PercentFormatter(Run& run, std::string_view format, const Value& value)
      : run_(run), format_(format), value_(value) {}
  std::string result();

 private:
  Value next_argument();
  void conversion(std::size_t& at);

  Run& run_;
  std::string_view format_;
  const Value& value_;
  std::size_t used_ = 0;
  bool by_name_ = false;
  std::string out_;
};

Value PercentFormatter::next_argument() {
  const bool is_tuple = value_.is(Kind::list) && value_.list->is_tuple();
  const std::size_t count = is_tuple ? value_.list->items.size() : 1;
  if (used_ >= count) return run_.fail("not enough values for the format");
  return is_tuple ? value_.list->items[used_++] : (++used_, value_);
}

void PercentFormatter::conversion(std::size_t& at) {
  Value argument;
  if (at < format_.size() && format_[at] == '(') {
    const std::size_t end = format_.find(')', at);
    if (end == std::string_view::npos || !value_.is(Kind::dict)) {
      run_.fail("a named format needs a dict");
      return;
    }
    by_name_ = true;
    const Value key = Value::of(format_.substr(at + 1, end - at - 1));
    const Value* found = value_.dict->find(key);
    if (!found) {
      run_.fail("the format names '" + std::string(key.text.substr(0, 100)) +
                "', which is missing");
      return;
    }
    argument = *found;
    at = end + 1;
  }
  Spec spec;
  for (; at < format_.size() && is_one_of(format_[at], "-+ #0"); ++at) {
    const char flag = format_[at];
    if (flag == '-') spec.align = '<', spec.fill = " ";
    if (flag == '0' && spec.align != '<') spec.align = '=', spec.fill = "0";
    if (flag == '+' || (flag == ' ' && spec.sign != '+')) spec.sign = flag;
    if (flag == '#') spec.alternate = true;
  }
  bool ok = read_number(format_, at, kMaxWidth, spec.width);
  if (at < format_.size() && format_[at] == '.') {
    ok = ok && read_number(format_, ++at, kMaxPrecision, spec.precision);
  }
  if (!ok || at >= format_.size()) {
    run_.fail("the format is incomplete, or too wide");
    return;
  }
  const char type = format_[at++];
  if (type == '%') {
    out_ += '%';
    return;
  }
  if (!argument.given()) argument = next_argument();
  if (run_.failed()) return;
  if (type == 's' || type == 'r') {
    std::string text;
    if (type == 's')
      append_str(run_, text, argument);
    else
      append_repr(run_, text, argument);
    if (spec.precision >= 0) text = first_chars(text, spec.precision);
    if (spec.align == '=') spec.align = '>', spec.fill = " ";
    out_ += padded(spec, "", text, '>');
    return;
  }
  spec.type = type == 'i' || type == 'u' ? 'd' : type;
  if (spec.type == 'd' && argument.is(Kind::real)) {
    if (!(std::fabs(argument.real) < 9e18)) {
      run_.fail("an integer is too large");
      return;
    }
    argument = Value::of(static_cast<std::int64_t>(argument.real));
  }
  if (!argument.is_number() && !(type == 'c')) {
    run_.fail(std::string("%") + type + " needs a number, not " + type_name(argument));
    return;
  }
  if (argument.is(Kind::boolean)) argument = Value::of(argument.as_integer());
  out_ += formatted(run_, argument, spec);
}

std::string PercentFormatter::result() {
  for (std::size_t at = 0; at < format_.size() && !run_.failed();) {
    if (format_[at] != '%') {
      out_ += format_[at++];
      continue;
    }
    conversion(++at);
    if (!run_.spend_bytes(out_.size())) break;
  }
  // What could be looked up in need not be used up.
  const bool is_tuple = value_.is(Kind::list) && value_.list->is_tuple();
  const bool is_mapping =
      value_.is(Kind::dict) || value_.is_undefined() || (value_.is(Kind::list) && !is_tuple);
  const std::size_t count = is_tuple ? value_.list->items.size() : is_mapping ? 0 : 1;
  if (!by_name_ && used_ < count) run_.fail("not all values were used by the format");
  return std::move(out_);
}

// "{0.name[key]!r:spec}": finds the value that the part before ! or : names.
Value brace_field(Run& run, std::string_view field, const Arguments& arguments,
                  std::size_t& next_position) {
  const std::size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string_view head = field.substr(0, end);
  Value value;
  const bool is_number =
      std::ranges::all_of(head, [](char c) { return c >= '0' && c <= '9'; }) && head.size() < 6;
  if (is_number) {
    const std::size_t position =
        head.empty() ? next_position++ : static_cast<std::size_t>(std::stoul(std::string(head)));
    if (position >= arguments.positional.size()) return run.fail("format() has too few arguments");
    value = arguments.positional[position];
  } else {
    const Value* named = arguments.find(head);
    if (!named)
      return run.fail("format() has no argument '" + std::string(head.substr(0, 100)) + "'");
    value = *named;
  }
  std::string_view rest = field.substr(end);
  while (!rest.empty() && !run.failed()) {
    const bool is_item = rest[0] == '[';
    const std::size_t stop =
        is_item ? rest.find(']') : std::min(rest.find_first_of(".[", 1), rest.size());
    if (stop == std::string_view::npos) return run.fail("a format field is not closed");
    const std::string_view name = rest.substr(1, stop - 1);
    value = is_item ? get_path(run, value, Value::of(name)) : get_attribute(run, value, name);
    rest.remove_prefix(is_item ? stop + 1 : stop);
  }
  return value;
}

}  // namespace

Value percent_format(Run& run, const Value& format, const Value& value) {
  std::string text = PercentFormatter(run, format.text, value).result();
  return format.markup ? run.markup(std::move(text)) : run.text(std::move(text));
}

Value brace_format(Run& run, const Value& format, const Arguments& arguments) {
  const std::string_view text = format.text;
  std::string out;
  std::size_t next_position = 0;
  for (std::size_t at = 0; at < text.size() && !run.failed();) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      out += c;
      ++at;
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == c) {
      out += c;
      at += 2;
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (c == '}' || end == std::string_view::npos) return run.fail("single brace in a format");
    std::string_view field = text.substr(at + 1, end - at - 1);
    if (field.find('{') != std::string_view::npos) return run.fail("nested fields in a format");
    at = end + 1;
    Spec spec;
    if (const std::size_t colon = field.find(':'); colon != std::string_view::npos) {
      if (!parse_spec(field.substr(colon + 1), spec)) return run.fail("bad format specification");
      field = field.substr(0, colon);
    }
    char conversion = '\0';
    if (const std::size_t mark = field.find('!'); mark != std::string_view::npos) {
      conversion = mark + 1 < field.size() ? field[mark + 1] : '\0';
      field = field.substr(0, mark);
    }
    Value value = brace_field(run, field, arguments, next_position);
    if (run.failed()) break;
    if (conversion == 'r' || conversion == 's') {
      std::string form;
      if (conversion == 'r')
        append_repr(run, form, value);
      else
        append_str(run, form, value);
      value = run.text(std::move(form));
    }
    out += formatted(run, value, spec);
    if (!run.spend_bytes(out.size())) break;
  }
  return run.text(std::move(out));
}

}  // namespace millrace::text::jinja
