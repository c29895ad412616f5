#include "text/jinja/json_form.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "text/jinja/run.h"
#include "text/jinja/text_form.h"
#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

void append_escaped(std::string& out, unsigned code) {
  std::array<char, 16> buffer;
  std::snprintf(buffer.data(), buffer.size(), "\\u%04x", code);
  out += buffer.data();
}

void append_string(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t code = next_char(text, at);
    switch (code) {
      case U'"':
        out += "\\\"";
        continue;
      case U'\\':
        out += "\\\\";
        continue;
      case U'\n':
        out += "\\n";
        continue;
      case U'\r':
        out += "\\r";
        continue;
      case U'\t':
        out += "\\t";
        continue;
      case U'\b':
        out += "\\b";
        continue;
      case U'\f':
        out += "\\f";
        continue;
      default:
        break;
    }
    if (code < 0x20 || (ensure_ascii && code >= 0x7f && code < 0x10000)) {
      append_escaped(out, static_cast<unsigned>(code));
    } else if (ensure_ascii && code >= 0x10000) {
      append_escaped(out, 0xd800 + ((static_cast<unsigned>(code) - 0x10000) >> 10));
      append_escaped(out, 0xdc00 + ((static_cast<unsigned>(code) - 0x10000) & 0x3ff));
    } else {
      out += text.substr(begin, at - begin);
    }
  }
  out += '"';
}

std::string number_text(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  return real_to_text(number);
}

class JsonWriter {
 public:
  JsonWriter(Run& run, const JsonStyle& style) : run_(run), style_(style) {}

  void write(const Value& value, int depth);
  std::string take() { return std::move(out_); }

 private:
  void write_list(const List& list, int depth);
  void write_dict(const Dict& dict, int depth);
  bool key_text(const Value& key, std::string& text);
  void new_line(int depth) {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < depth; ++i) out_ += *style_.indent;
    if (out_.size() > run_.limits().max_output_bytes) run_.spend_bytes(out_.size());
  }
  void refuse(const Value& value) {
    run_.fail(std::string("a value of type ") + type_name(value) + " cannot be written as JSON");
  }

  Run& run_;
  const JsonStyle& style_;
  std::string out_;
};

void JsonWriter::write_list(const List& list, int depth) {
  if (list.items.empty()) {
    out_ += "[]";
    return;
  }
  out_ += '[';
  for (std::size_t i = 0; i < list.items.size() && !run_.failed(); ++i) {
    if (i > 0) out_ += style_.item_separator;
    new_line(depth + 1);
    write(list.items[i], depth + 1);
  }
  new_line(depth);
  out_ += ']';
}

// Python writes numbers, True and None as keys too, in JSON's spelling.
bool JsonWriter::key_text(const Value& key, std::string& text) {
  switch (key.kind) {
    case Kind::string:
      text = key.text;
      return true;
    case Kind::integer:
      text = std::to_string(key.integer);
      return true;
    case Kind::boolean:
      text = key.boolean ? "true" : "false";
      return true;
    case Kind::none:
      text = "null";
      return true;
    case Kind::real:
      text = number_text(key.real);
      return true;
    default:
      refuse(key);
      return false;
  }
}

void JsonWriter::write_dict(const Dict& dict, int depth) {
  if (dict.entries.empty()) {
    out_ += "{}";
    return;
  }
  std::vector<const std::pair<Value, Value>*> entries;
  entries.reserve(dict.entries.size());
  for (const auto& entry : dict.entries) entries.push_back(&entry);
  if (style_.sort_keys) {
    std::ranges::stable_sort(entries, [](const auto* a, const auto* b) {
      if (a->first.is_string() && b->first.is_string()) return a->first.text < b->first.text;
      return a->first.is_number() && b->first.is_number() &&
             a->first.as_real() < b->first.as_real();
    });
  }
  out_ += '{';
  bool first = true;
  for (const auto* entry : entries) {
    if (run_.failed()) return;
    if (!first) out_ += style_.item_separator;
    first = false;
    new_line(depth + 1);
    std::string key;
    if (!key_text(entry->first, key)) return;
    append_string(out_, key, style_.ensure_ascii);
    out_ += style_.key_separator;
    write(entry->second, depth + 1);
  }
  new_line(depth);
  out_ += '}';
}

void JsonWriter::write(const Value& value, int depth) {
  if (depth > kMaxValueDepth) {
    run_.fail("a value is nested too deeply to be written as JSON");
    return;
  }
  if (!run_.spend(value.is_string() ? 1 + value.text.size() / 64 : 1)) return;
  switch (value.kind) {
    case Kind::none:
      out_ += "null";
      break;
    case Kind::boolean:
      out_ += value.boolean ? "true" : "false";
      break;
    case Kind::integer:
      out_ += std::to_string(value.integer);
      break;
    case Kind::real:
      out_ += number_text(value.real);
      break;
    case Kind::string:
      append_string(out_, value.text, style_.ensure_ascii);
      break;
    case Kind::list:
      if (value.list->kind == ListKind::list || value.list->is_tuple()) {
        write_list(*value.list, depth);
      } else {
        refuse(value);
      }
      break;
    case Kind::dict:
      write_dict(*value.dict, depth);
      break;
    default:
      refuse(value);
      break;
  }
  if (out_.size() > run_.limits().max_output_bytes) run_.spend_bytes(out_.size());
}

}  // namespace

std::string to_json(Run& run, const Value& value, const JsonStyle& style) {
  JsonWriter writer(run, style);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace millrace::text::jinja
