// Methods of strings: "…".split(), .strip(), .replace(), …
#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/run.h"
#include "text/jinja/text_form.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

using A = const Arguments&;
using V = const Value&;

constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();

// The result keeps |safe, as Markup's methods do.
Value like(Run& run, V self, std::string text) {
  return self.markup ? run.markup(std::move(text)) : run.text(std::move(text));
}

bool need_string(Run& run, const char* method, V value) {
  if (value.is_string()) return true;
  run.fail(std::string(method) + "() needs a string, not " + type_name(value));
  return false;
}

// A count argument: absent, none and negative numbers mean all.
std::int64_t count_of(V value) {
  return value.is_integral() && value.as_integer() >= 0 ? value.as_integer() : kAll;
}

template <std::string (*map)(std::string_view)>
Value mapped(Run& run, V self, A) {
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  return like(run, self, map(self.text));
}

template <bool left, bool right>
Value strip(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "strip", arguments, {"chars"}, 0, a)) return {};
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  Value out = self;
  const bool has_set = a[0].given() && !a[0].is_none();
  if (has_set && !need_string(run, "strip", a[0])) return {};
  if (has_set && !run.spend(self.text.size() * a[0].text.size() / 64)) return {};
  if (left) out.text = has_set ? strip_left(out.text, a[0].text) : strip_left(out.text);
  if (right) out.text = has_set ? strip_right(out.text, a[0].text) : strip_right(out.text);
  return out;
}

Value list_of(Run& run, const std::vector<std::string_view>& parts) {
  List* list = run.list();
  if (!run.spend(parts.size())) return Value::of_undefined("");
  for (const std::string_view part : parts) list->items.push_back(Value::of(part));
  return Value::of(list);
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator,
                                       std::int64_t most) {
  std::vector<std::string_view> parts;
  while (most-- > 0) {
    const std::size_t at = find_text(text, separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_at_right(std::string_view text, std::string_view separator,
                                             std::int64_t most) {
  const std::string backwards(text.rbegin(), text.rend());
  auto parts = split_at(backwards, std::string(separator.rbegin(), separator.rend()), most);
  std::ranges::reverse(parts);
  for (std::string_view& part : parts) {  // the same bytes, the right way round
    const auto begin = static_cast<std::size_t>(part.data() - backwards.data());
    part = text.substr(text.size() - begin - part.size(), part.size());
  }
  return parts;
}

// At runs of white space.
std::vector<std::string_view> split_words(std::string_view text, std::int64_t most) {
  std::vector<std::string_view> parts;
  for (text = strip_left(text); !text.empty(); text = strip_left(text)) {
    if (most-- <= 0) {
      parts.push_back(text);
      break;
    }
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size(); end = at) {
      if (is_space_char(next_char(text, at))) break;
    }
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string_view> split_words_right(std::string_view text, std::int64_t most) {
  auto words = split_words(text, kAll);
  const auto count = static_cast<std::int64_t>(words.size());
  if (count <= most) return words;
  const std::string_view last_kept = words[static_cast<std::size_t>(count - most - 1)];
  const std::string_view rest =
      text.substr(0, static_cast<std::size_t>(last_kept.data() + last_kept.size() - text.data()));
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count - most));
  words.insert(words.begin(), rest);
  return words;
}

template <bool from_right>
Value split(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "split", arguments, {"sep", "maxsplit"}, 0, a)) return {};
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  const std::int64_t most = count_of(a[1]);
  if (!a[0].given() || a[0].is_none()) {
    return list_of(run,
                   from_right ? split_words_right(self.text, most) : split_words(self.text, most));
  }
  if (!need_string(run, "split", a[0])) return {};
  if (a[0].text.empty()) return run.fail("split() needs a separator that is not empty");
  return list_of(run, from_right ? split_at_right(self.text, a[0].text, most)
                                 : split_at(self.text, a[0].text, most));
}

Value splitlines(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "splitlines", arguments, {"keepends"}, 0, a)) return {};
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  return list_of(run, split_lines(self.text, truth(a[0])));
}

template <bool from_right>
Value partition(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "partition", arguments, {"sep"}, 1, a)) return {};
  if (!need_string(run, "partition", a[0])) return {};
  if (a[0].text.empty()) return run.fail("partition() needs a separator that is not empty");
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  const std::size_t at =
      from_right ? find_last_text(self.text, a[0].text) : find_text(self.text, a[0].text);
  const Value empty = Value::of(std::string_view());
  List* parts = run.list(ListKind::tuple);
  if (at == std::string_view::npos) {
    if (from_right)
      parts->items = {empty, empty, self};
    else
      parts->items = {self, empty, empty};
  } else {
    parts->items = {Value::of(self.text.substr(0, at)), Value::of(a[0].text),
                    Value::of(self.text.substr(at + a[0].text.size()))};
  }
  return Value::of(parts);
}

Value replace(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "replace", arguments, {"old", "new", "count"}, 2, a)) return {};
  if (!need_string(run, "replace", a[0]) || !need_string(run, "replace", a[1])) return {};
  std::int64_t left = count_of(a[2]);
  std::string out;
  if (a[0].text.empty()) {  // before every character, and at the end
    for (std::size_t at = 0; left > 0 && run.spend_bytes(a[1].text.size()); --left) {
      out += a[1].text;
      if (at >= self.text.size() || out.size() > run.limits().max_output_bytes) {
        left = 0;
        break;
      }
      const std::size_t begin = at;
      next_char(self.text, at);
      out += self.text.substr(begin, at - begin);
      if (left == 1) out += self.text.substr(at);
    }
    return self.text.empty() && out.empty() ? self : like(run, self, std::move(out));
  }
  std::string_view rest = self.text;
  if (!run.spend_bytes(rest.size())) return Value::of_undefined("");
  for (; left > 0; --left) {
    const std::size_t at = find_text(rest, a[0].text);
    if (at == std::string_view::npos) break;
    out += rest.substr(0, at);
    out += a[1].text;
    rest.remove_prefix(at + a[0].text.size());
    if (out.size() > run.limits().max_output_bytes) break;
  }
  out += rest;
  return like(run, self, std::move(out));
}

// "x" or ("x", "y"): what startswith and endswith take.
template <bool at_start>
Value has_affix(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "startswith", arguments, {"prefix", "start", "end"}, 1, a)) return {};
  std::string_view text = self.text;
  if (a[1].given() || a[2].given()) {
    const Value part = get_slice(run, self, a[1], a[2], {});
    if (run.failed()) return part;
    text = part.text;
  }
  const auto matches = [&](V affix) {
    return at_start ? text.starts_with(affix.text) : text.ends_with(affix.text);
  };
  if (a[0].is(Kind::list) && a[0].list->is_tuple()) {
    for (V affix : a[0].list->items) {
      if (!need_string(run, "startswith", affix)) return {};
      if (run.spend() && matches(affix)) return Value::of(true);
    }
    return Value::of(false);
  }
  if (!need_string(run, "startswith", a[0])) return {};
  return Value::of(matches(a[0]));
}

template <bool at_start>
Value remove_affix(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "removeprefix", arguments, {"affix"}, 1, a)) return {};
  if (!need_string(run, "removeprefix", a[0])) return {};
  Value out = self;
  if (at_start && out.text.starts_with(a[0].text)) out.text.remove_prefix(a[0].text.size());
  if (!at_start && out.text.ends_with(a[0].text)) out.text.remove_suffix(a[0].text.size());
  return out;
}

// Where `what` is, in characters from the start; -1 where it is not.
template <bool from_right, bool must_be_there>
Value find(Run& run, V self, A arguments) {
  std::array<Value, 3> a;
  if (!bind(run, "find", arguments, {"sub", "start", "end"}, 1, a)) return {};
  if (!need_string(run, "find", a[0])) return {};
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  const Value part = get_slice(run, self, a[1], a[2], {});
  if (run.failed()) return part;
  const std::size_t at =
      from_right ? find_last_text(part.text, a[0].text) : find_text(part.text, a[0].text);
  if (at == std::string_view::npos) {
    if (must_be_there) return run.fail("index(): the substring was not found");
    return Value::of(std::int64_t{-1});
  }
  const auto before = static_cast<std::size_t>(part.text.data() - self.text.data()) + at;
  return Value::of(
      static_cast<std::int64_t>(count_chars(self.text.substr(0, part.text.empty() ? 0 : before))));
}

Value count(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "count", arguments, {"sub"}, 1, a)) return {};
  if (!need_string(run, "count", a[0])) return {};
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  if (a[0].text.empty()) return Value::of(static_cast<std::int64_t>(count_chars(self.text)) + 1);
  return Value::of(static_cast<std::int64_t>(split_at(self.text, a[0].text, kAll).size()) - 1);
}

Value join(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "join", arguments, {"iterable"}, 1, a)) return {};
  const auto* items = iterate(run, a[0]);
  if (!items) return Value::of_undefined("");
  std::string out;
  for (std::size_t i = 0; i < items->size(); ++i) {
    if (!need_string(run, "join", (*items)[i])) return {};
    if (i > 0) out += self.text;
    out += (*items)[i].text;
    if (!run.spend() || out.size() > run.limits().max_output_bytes) break;
  }
  return run.text(std::move(out));
}

// ljust '<', rjust '>', center '^'.
template <char align>
Value justify(Run& run, V self, A arguments) {
  std::array<Value, 2> a;
  if (!bind(run, "center", arguments, {"width", "fillchar"}, 1, a)) return {};
  if (!a[0].is_integral()) return run.fail("the width must be an integer");
  const std::string_view fill = a[1].is_string() ? a[1].text : " ";
  if (count_chars(fill) != 1) return run.fail("the fill must be one character");
  const auto size = static_cast<std::int64_t>(count_chars(self.text));
  const std::int64_t width = a[0].as_integer();
  if (width <= size) return self;
  if (width > 100'000) return run.fail("the width is over 100000");
  const std::int64_t missing = width - size;
  // Python puts the odd blank of center() on the left when the width is odd.
  const std::int64_t left = align == '<'   ? 0
                            : align == '>' ? missing
                                           : missing / 2 + (missing & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += fill;
  out += self.text;
  for (std::int64_t i = left; i < missing; ++i) out += fill;
  return like(run, self, std::move(out));
}

Value zfill(Run& run, V self, A arguments) {
  std::array<Value, 1> a;
  if (!bind(run, "zfill", arguments, {"width"}, 1, a)) return {};
  const std::int64_t width = a[0].is_integral() ? a[0].as_integer() : 0;
  if (width > 100'000) return run.fail("the width is over 100000");
  const auto size = static_cast<std::int64_t>(count_chars(self.text));
  const bool has_sign = self.text.starts_with('-') || self.text.starts_with('+');
  std::string out(self.text);
  if (width > size) out.insert(has_sign ? 1 : 0, static_cast<std::size_t>(width - size), '0');
  return like(run, self, std::move(out));
}

// True where the text is not empty and all of its characters are of the kind.
template <bool (*kind)(char32_t)>
Value all_are(Run& run, V self, A) {
  if (!run.spend_bytes(self.text.size())) return Value::of_undefined("");
  for (std::size_t at = 0; at < self.text.size();) {
    if (!kind(next_char(self.text, at))) return Value::of(false);
  }
  return Value::of(!self.text.empty());
}
bool is_alnum_char(char32_t code) {
  return is_alpha_char(code) || is_digit_char(code);
}

Value isascii(Run&, V self, A) {
  return Value::of(is_ascii(self.text));
}
Value islower(Run& run, V self, A arguments) {
  return find_test("lower")(run, self, arguments);
}
Value isupper(Run& run, V self, A arguments) {
  return find_test("upper")(run, self, arguments);
}

struct Row {
  std::string_view name;
  Native native;
};

constexpr Row kMethods[] = {
    {"capitalize", mapped<to_capitalised>},
    {"casefold", mapped<to_lower>},
    {"center", justify<'^'>},
    {"count", count},
    {"endswith", has_affix<false>},
    {"find", find<false, false>},
    {"format", brace_format},
    {"index", find<false, true>},
    {"isalnum", all_are<is_alnum_char>},
    {"isalpha", all_are<is_alpha_char>},
    {"isascii", isascii},
    {"isdecimal", all_are<is_digit_char>},
    {"isdigit", all_are<is_digit_char>},
    {"islower", islower},
    {"isnumeric", all_are<is_digit_char>},
    {"isspace", all_are<is_space_char>},
    {"isupper", isupper},
    {"join", join},
    {"ljust", justify<'<'>},
    {"lower", mapped<to_lower>},
    {"lstrip", strip<true, false>},
    {"partition", partition<false>},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"replace", replace},
    {"rfind", find<true, false>},
    {"rindex", find<true, true>},
    {"rjust", justify<'>'>},
    {"rpartition", partition<true>},
    {"rsplit", split<true>},
    {"rstrip", strip<false, true>},
    {"split", split<false>},
    {"splitlines", splitlines},
    {"startswith", has_affix<true>},
    {"strip", strip<true, true>},
    {"swapcase", mapped<swap_case>},
    {"title", mapped<to_title>},
    {"upper", mapped<to_upper>},
    {"zfill", zfill},
};

}  // namespace

Native find_string_method(std::string_view name) {
  const auto* found = std::ranges::find(kMethods, name, &Row::name);
  return found == std::end(kMethods) ? nullptr : found->native;
}

}  // namespace millrace::text::jinja
