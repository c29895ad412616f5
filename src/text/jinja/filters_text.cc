// Filters on text and single values: upper, trim, replace, indent, tojson, int, round, default, …
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/json_form.h"
#include "text/jinja/numbers.h"
#include "text/jinja/operators.h"
#include "text/jinja/run.h"
#include "text/jinja/text_form.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

using A = const Arguments&;
using V = const Value&;

// False (and the run has failed) for an input that is no string.
bool need_string(Run& run, const char* filter, V value) {
  if (value.is_string()) return true;
  run.fail(value.is_undefined() ? std::string(value.text)
                                : std::string(filter) + " needs a string, not " + type_name(value));
  return false;
}

// The input as text; |safe stays.
Value soft_text(Run& run, V value) {
  return value.is_string() ? value : run.text(to_str(run, value));
}
Value like(Run& run, V original, std::string text) {
  return original.markup ? run.markup(std::move(text)) : run.text(std::move(text));
}

template <std::string (*map)(std::string_view)>
Value mapped(Run& run, V self, A) {
  const Value text = soft_text(run, self);
  return run.failed() ? text : like(run, text, map(text.text));
}

std::string title_words(std::string_view text) {
  std::string out;
  bool starts = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t code = next_char(text, at);
    const std::string_view one = text.substr(begin, at - begin);
    out += starts ? to_upper(one) : to_lower(one);
    starts = is_space_char(code) || code == U'-' || code == U'(' || code == U'{' || code == U'[' ||
             code == U'<';
  }
  return out;
}

Value string(Run& run, V self, A) {
  return soft_text(run, self);
}
Value safe(Run& run, V self, A) {
  Value text = soft_text(run, self);
  text.markup = text.is_string();
  return text;
}
Value escape(Run& run, V self, A) {
  const Value text = soft_text(run, self);
  if (text.markup || run.failed()) return text;
  return run.markup(html_escaped(text.text));
}
Value forceescape(Run& run, V self, A) {
  const Value text = soft_text(run, self);
  return run.failed() ? text : run.markup(html_escaped(text.text));
}

Value trim(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "trim", arguments, {"chars"}, 0, a)) return {};
  Value text = soft_text(run, self);
  if (run.failed() || !run.spend_bytes(text.text.size())) return text;
  if (!a[0].is_string()) {
    text.text = strip_right(strip_left(text.text));
  } else if (run.spend(text.text.size() * a[0].text.size() / 64)) {
    text.text = strip_right(strip_left(text.text, a[0].text), a[0].text);
  }
  return text;
}

Value replace(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "replace", arguments, {"old", "new", "count"}, 2, a)) return {};
  Arguments as_method;
  as_method.positional = {run.text(to_str(run, a[0])), run.text(to_str(run, a[1]))};
  if (a[2].given() && !a[2].is_none()) as_method.positional.push_back(a[2]);
  const Value text = run.text(to_str(run, self));
  return run.failed() ? text : find_string_method("replace")(run, text, as_method);
}

Value indent(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "indent", arguments, {"width", "first", "blank"}, 0, a)) return {};
  if (!need_string(run, "indent", self)) return {};
  const Value& text = self;
  std::string indention;
  if (a[0].is_string()) {
    indention = a[0].text;
  } else {
    const std::int64_t width = a[0].is_integral() ? a[0].as_integer() : 4;
    if (width > 1000) return run.fail("indent: the width is over 1000");
    indention.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
  }
  const bool first = truth(a[1]), blank = truth(a[2]);
  if (run.failed() || !run.spend_bytes(text.text.size())) return text;
  const std::string with_end = std::string(text.text) + "\n";  // as jinja2: the last line counts
  std::string out;
  bool is_first = true;
  for (const std::string_view line : split_lines(with_end)) {
    if (!is_first) out += '\n';
    if (is_first ? first : (blank || !line.empty())) out += indention;
    is_first = false;
    out += line;
    if (!run.spend_bytes(out.size() > run.limits().max_output_bytes ? out.size()
                                                                    : indention.size())) {
      break;
    }
  }
  return like(run, text, std::move(out));
}

Value center(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "center", arguments, {"width"}, 0, a)) return {};
  Arguments as_method;
  as_method.positional = {a[0].given() ? a[0] : Value::of(std::int64_t{80})};
  const Value text = soft_text(run, self);
  return run.failed() ? text : find_string_method("center")(run, text, as_method);
}

Value truncate(Run& run, V self, A arguments) {
  std::array<Value, 4> a;
  if (!bind(run, "truncate", arguments, {"length", "killwords", "end", "leeway"}, 0, a)) return {};
  const std::int64_t length = a[0].is_integral() ? a[0].as_integer() : 255;
  const std::string end = a[2].given() ? to_str(run, a[2]) : "...";
  const std::int64_t leeway = a[3].is_integral() ? a[3].as_integer() : 5;
  if (!self.is_string() && length_of(run, self) <= length + leeway) return self;
  if (!need_string(run, "truncate", self)) return {};
  const Value& text = self;
  if (!run.spend_bytes(text.text.size())) return text;
  const auto offsets = char_offsets(text.text);
  const auto size = static_cast<std::int64_t>(offsets.size()) - 1;
  const auto end_size = static_cast<std::int64_t>(count_chars(end));
  if (length < end_size || leeway < 0) return run.fail("truncate: the length is too small");
  if (size <= length || size - length <= leeway) return text;
  std::string_view kept = text.text.substr(0, offsets[static_cast<std::size_t>(length - end_size)]);
  if (!truth(a[1])) kept = kept.substr(0, kept.rfind(' '));
  return like(run, text, std::string(kept) + end);
}

Value wordcount(Run& run, V self, A) {
  const std::string text = to_str(run, self);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code = next_char(text, at);
    const bool in_word = is_alpha_char(code) || is_digit_char(code) || code == U'_';
    words += in_word && !inside;
    inside = in_word;
  }
  return Value::of(words);
}

Value urlencode(Run& run, V self, A) {
  if (self.is(Kind::dict) || self.is(Kind::list)) {
    return run.fail("urlencode: pairs are not supported");
  }
  const std::string text = to_str(run, self);
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || c == '/';
    if (plain) {
      out += c;
    } else {
      std::array<char, 4> buffer;
      std::snprintf(buffer.data(), buffer.size(), "%%%02X",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += buffer.data();
    }
  }
  return run.text(std::move(out));
}

Value format(Run& run, V self, A arguments) {
  const Value text = soft_text(run, self);
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    return run.fail("format: positional and named values at once");
  }
  if (arguments.named.empty()) {
    List* values = run.list(ListKind::tuple);
    values->items = arguments.positional;
    return percent_format(run, text, Value::of(values));
  }
  Dict* values = run.dict();
  for (const auto& [name, value] : arguments.named) values->set(Value::of(name), value);
  return percent_format(run, text, Value::of(values));
}

Value tojson(Run& run, V self, A arguments) {
  std::array<Value, 4> a;
  if (!bind(run, "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0,
            a)) {
    return {};
  }
  JsonStyle style;
  style.ensure_ascii = truth(a[0]);
  style.sort_keys = truth(a[3]);
  if (a[1].is_string()) {
    if (a[1].text.size() > 1000) return run.fail("tojson: the indent is too long");
    style.indent = a[1].text;
  } else if (a[1].is_integral()) {
    const std::int64_t width = std::clamp<std::int64_t>(a[1].as_integer(), 0, 1000);
    style.indent = std::string(static_cast<std::size_t>(width), ' ');
  }
  if (style.indent) style.item_separator = ",";
  if (a[2].given() && !a[2].is_none()) {
    const bool is_pair = a[2].is(Kind::list) && a[2].list->items.size() == 2 &&
                         a[2].list->items[0].is_string() && a[2].list->items[1].is_string();
    if (!is_pair) return run.fail("tojson: separators must be two strings");
    style.item_separator = a[2].list->items[0].text;
    style.key_separator = a[2].list->items[1].text;
  }
  return run.text(to_json(run, self, style));
}

Value to_int(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "int", arguments, {"default", "base"}, 0, a)) return {};
  const Value fallback = a[0].given() ? a[0] : Value::of(std::int64_t{0});
  if (self.is_integral()) return Value::of(self.as_integer());
  double number = 0;
  if (self.is_string()) {
    const std::int64_t base = a[1].is_integral() ? a[1].as_integer() : 10;
    if (const auto whole =
            parse_integer(self.text, static_cast<int>(std::clamp<std::int64_t>(base, 2, 36)))) {
      return Value::of(*whole);
    }
    const auto real = parse_real(self.text);
    if (!real || !std::isfinite(*real)) return fallback;
    number = *real;
  } else if (self.is(Kind::real)) {
    if (!std::isfinite(self.real)) return run.fail("int: the number is not finite");
    number = self.real;
  } else if (self.is_undefined()) {
    return run.fail(std::string(self.text));
  } else {
    return fallback;
  }
  if (std::fabs(number) >= 9.2e18) return run.fail("an integer is too large");
  return Value::of(static_cast<std::int64_t>(number));
}

Value to_float(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "float", arguments, {"default"}, 0, a)) return {};
  if (self.is_number()) return Value::of(self.as_real());
  if (self.is_undefined()) return run.fail(std::string(self.text));
  if (self.is_string()) {
    if (const auto real = parse_real(self.text)) return Value::of(*real);
  }
  return a[0].given() ? a[0] : Value::of(0.0);
}

Value absolute(Run& run, V self, A) {
  if (self.is(Kind::real)) return Value::of(std::fabs(self.real));
  if (self.is_integral())
    return self.as_integer() < 0 ? negate(run, self) : Value::of(self.as_integer());
  if (self.is_undefined()) return run.fail(std::string(self.text));
  return run.fail(std::string("abs: not a number but ") + type_name(self));
}

Value round(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "round", arguments, {"precision", "method"}, 0, a)) return {};
  const std::int64_t precision = a[0].is_integral() ? a[0].as_integer() : 0;
  const std::string_view method = a[1].is_string() ? a[1].text : "common";
  if (!self.is_number()) {
    return run.fail(self.is_undefined()
                        ? std::string(self.text)
                        : std::string("round: not a number but ") + type_name(self));
  }
  if (precision < -300 || precision > 300) return run.fail("round: the precision is out of range");
  if (method == "ceil" || method == "floor") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = self.as_real() * scale;
    return Value::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (method != "common") return run.fail("round: the method must be common, ceil or floor");
  if (self.is_integral() && precision >= 0) return Value::of(self.as_integer());
  const double number = self.as_real();
  if (!std::isfinite(number)) return Value::of(number);
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    const double rounded = std::nearbyint(number / scale) * scale;
    return self.is_integral() ? Value::of(static_cast<std::int64_t>(rounded)) : Value::of(rounded);
  }
  std::array<char, 1024> buffer;  // exact: the decimal digits of the binary number, half to even
  std::snprintf(buffer.data(), buffer.size(), "%.*f", static_cast<int>(precision), number);
  return Value::of(parse_real(buffer.data()).value_or(number));
}

Value fallback(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "default", arguments, {"default_value", "boolean"}, 0, a)) return {};
  const bool replaced = self.is_undefined() || (truth(a[1]) && !truth(self));
  if (!replaced) return self;
  return a[0].given() ? a[0] : Value::of(std::string_view());
}

Value attr(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "attr", arguments, {"name"}, 1, a)) return {};
  if (self.is(Kind::dict) && a[0].is_string() && !find_method(self, a[0].text)) {
    return Value::of_undefined("a dict has no such attribute");
  }
  return get_attribute(run, self, a[0].is_string() ? a[0].text : std::string_view());
}

struct Row {
  std::string_view name;
  Native native;
};

constexpr Row kFilters[] = {
    {"abs", absolute},
    {"attr", attr},
    {"capitalize", mapped<to_capitalised>},
    {"center", center},
    {"d", fallback},
    {"default", fallback},
    {"e", escape},
    {"escape", escape},
    {"float", to_float},
    {"forceescape", forceescape},
    {"format", format},
    {"indent", indent},
    {"int", to_int},
    {"lower", mapped<to_lower>},
    {"replace", replace},
    {"round", round},
    {"safe", safe},
    {"string", string},
    {"title", mapped<title_words>},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", mapped<to_upper>},
    {"urlencode", urlencode},
    {"wordcount", wordcount},
};

}  // namespace

Native find_text_filter(std::string_view name) {
  const auto* found = std::ranges::find(kFilters, name, &Row::name);
  return found == std::end(kFilters) ? nullptr : found->native;
}

Native find_filter(std::string_view name) {
  const Native text = find_text_filter(name);
  return text ? text : find_sequence_filter(name);
}

}  // namespace millrace::text::jinja
