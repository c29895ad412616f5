#include "api/json_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "api/json_text.h"

namespace millrace::api {
namespace {

void append_control(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

template <class Float>
void append_float(std::string& out, Float value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(out), "{}", value == 0 ? Float{0} : value);
  } else {
    out += "null";
  }
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t plain = num_plain_in_json(text.substr(i));
    out.append(text, i, plain);
    i += plain;
    if (i == text.size()) return;
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x80) {
      append_control(out, c);
      ++i;
    } else if (const std::size_t size = utf8_character_size(text.substr(i)); size > 0) {
      out += text.substr(i, size);
      i += size;
    } else {
      out += "\xEF\xBF\xBD";
      ++i;
    }
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  need_comma_ = true;
  return *this;
}

// Most strings stand for themselves and go out in one piece: [,]"text"[:]
void JsonWriter::quoted(std::string_view text, bool is_key) {
  const bool comma = std::exchange(need_comma_, !is_key);
  if (num_plain_in_json(text) < text.size()) {
    if (comma) out_ += ',';
    append_json_string(out_, text);
    if (is_key) out_ += ':';
    return;
  }
  const std::size_t before = out_.size();
  out_.resize_and_overwrite(before + text.size() + 4, [&](char* data, std::size_t) {
    char* to = data + before;
    if (comma) *to++ = ',';
    *to++ = '"';
    to = std::copy(text.begin(), text.end(), to);
    *to++ = '"';
    if (is_key) *to++ = ':';
    return to - data;
  });
}

JsonWriter& JsonWriter::key(std::string_view name) {
  quoted(name, true);
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  quoted(text, false);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  separate();
  const fmt::format_int digits(value);
  out_.append(digits.data(), digits.size());
  return *this;
}

JsonWriter& JsonWriter::number(float value) {
  separate();
  append_float(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  separate();
  append_float(out_, value);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace millrace::api
