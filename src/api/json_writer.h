// JsonWriter: appends JSON to a string without building a tree. Numbers are the shortest text that
// reads back the same; strings come out as valid UTF-8 whatever went in.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::api {

// With quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// Without quotes.
void append_json_escaped(std::string& out, std::string_view text);

// Puts the commas. Not thread-safe; the string outlives it.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& open_object() { return open('{'); }
  JsonWriter& close_object() { return close('}'); }
  JsonWriter& open_array() { return open('['); }
  JsonWriter& close_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& number(float value);  // not finite: null
  JsonWriter& number(double value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // a value that is JSON already

  // key and value in one
  JsonWriter& field(std::string_view name, std::string_view text) { return key(name).string(text); }
  JsonWriter& field(std::string_view name, const char* text) { return key(name).string(text); }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }
  template <std::integral T>
  JsonWriter& field(std::string_view name, T value) {
    return key(name).integer(static_cast<std::int64_t>(value));
  }
  template <std::floating_point T>
  JsonWriter& field(std::string_view name, T value) {
    return key(name).number(value);
  }
  JsonWriter& null_field(std::string_view name) { return key(name).null(); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void quoted(std::string_view text, bool is_key);
  void separate() {
    if (need_comma_) out_ += ',';
    need_comma_ = true;
  }

  std::string& out_;
  bool need_comma_ = false;
};

}  // namespace millrace::api
