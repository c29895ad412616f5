#include "text/jinja/text_form.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "text/jinja/run.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

void append_list(Run& run, std::string& out, const List& list, int depth) {
  if (list.kind == ListKind::generator) {
    out += "<generator object>";
    return;
  }
  const bool is_view = list.is_view();
  if (is_view) out += std::string(type_name(Value::of(const_cast<List*>(&list)))) + "(";
  if (list.kind == ListKind::range) {
    const auto& items = list.items;
    const std::int64_t first = items.empty() ? 0 : items.front().integer;
    const std::int64_t step = items.size() < 2 ? 1 : items[1].integer - first;
    out += "range(" + std::to_string(first) + ", " +
           std::to_string(items.empty() ? 0 : items.back().integer + step) +
           (step == 1 ? "" : ", " + std::to_string(step)) + ")";
    return;
  }
  out += list.is_tuple() ? '(' : '[';
  for (std::size_t i = 0; i < list.items.size() && !run.failed(); ++i) {
    if (i > 0) out += ", ";
    append_repr(run, out, list.items[i], depth + 1);
  }
  if (list.is_tuple() && list.items.size() == 1) out += ',';
  out += list.is_tuple() ? ')' : ']';
  if (is_view) out += ')';
}

void append_dict(Run& run, std::string& out, const Dict& dict, int depth) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (run.failed()) return;
    if (!first) out += ", ";
    first = false;
    append_repr(run, out, key, depth + 1);
    out += ": ";
    append_repr(run, out, value, depth + 1);
  }
  out += '}';
}

}  // namespace

std::string real_to_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer;
  const double size = std::fabs(number);
  const bool scientific = size != 0 && (size < 1e-4 || size >= 1e16);
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                    scientific ? std::chars_format::scientific : std::chars_format::fixed)
          .ptr;
  std::string text(buffer.data(), end);
  if (!scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

void append_quoted(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t code = next_char(text, at);
    if (code == static_cast<char32_t>(quote) || code == U'\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code == U'\n') {
      out += "\\n";
    } else if (code == U'\r') {
      out += "\\r";
    } else if (code == U'\t') {
      out += "\\t";
    } else if (is_printable_char(code)) {
      out += text.substr(begin, at - begin);
    } else {
      std::array<char, 16> buffer;
      const char* form = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
      std::snprintf(buffer.data(), buffer.size(), form, static_cast<unsigned>(code));
      out += buffer.data();
    }
  }
  out += quote;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void append_repr(Run& run, std::string& out, const Value& value, int depth) {
  if (depth > kMaxValueDepth) {
    run.fail("a value is nested too deeply to be printed");
    return;
  }
  if (!run.spend()) return;
  switch (value.kind) {
    case Kind::absent:
      break;
    case Kind::undefined:
      out += "Undefined";
      break;
    case Kind::none:
      out += "None";
      break;
    case Kind::boolean:
      out += value.boolean ? "True" : "False";
      break;
    case Kind::integer:
      out += std::to_string(value.integer);
      break;
    case Kind::real:
      out += real_to_text(value.real);
      break;
    case Kind::string:
      if (value.markup) out += "Markup(";
      append_quoted(out, value.text);
      if (value.markup) out += ')';
      break;
    case Kind::list:
      append_list(run, out, *value.list, depth);
      break;
    case Kind::dict:
      append_dict(run, out, *value.dict, depth);
      break;
    case Kind::space:
      out += "<Namespace ";
      append_dict(run, out, *value.dict, depth);
      out += '>';
      break;
    case Kind::callable:
      out += value.callable->macro ? "<Macro " : "<function ";
      out += value.callable->name;
      out += '>';
      break;
    case Kind::loop:
      out += "<LoopContext>";
      break;
  }
  if (out.size() > run.limits().max_output_bytes) run.spend_bytes(out.size());
}

void append_str(Run& run, std::string& out, const Value& value) {
  if (value.is_string()) {
    if (run.spend_bytes(value.text.size())) out += value.text;
  } else if (!value.is_undefined()) {
    append_repr(run, out, value);
  }
}

std::string to_str(Run& run, const Value& value) {
  std::string out;
  append_str(run, out, value);
  return out;
}

}  // namespace millrace::text::jinja
