// JsonReader: walks over a JSON text, value by value, without building a tree. As strict as
// parse_json, with its limits: what one refuses, the other does. A text that is refused ends early:
// every call is harmless from there, and failed() tells. Why it was refused is parse_json's to say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <memory_resource>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"

namespace millrace::api {

// Whole numbers are int64 where that holds them, else uint64 where that does, else double.
// monostate: null, an array or an object.
using JsonScalar =
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string_view>;

// Not thread-safe. Strings are views of the text or of the reader.
class JsonReader {
 public:
  enum class Kind : std::uint8_t { none, object, array, string, number, boolean, null };

  // Of a depth of at most kMaxDepth.
  JsonReader(std::string_view text, const JsonLimits& limits);
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  static constexpr std::size_t kMaxDepth = 64;

  // Of the value that is to be taken next; none: there is none.
  Kind kind();
  // Each takes a value of its kind; another is refused.
  void open_object() { open('{'); }
  void open_array() { open('['); }
  // Takes any value.
  JsonScalar scalar();
  // Likewise; gives its text.
  std::string_view skip();
  // Within an object: a name is taken and its value is next. False: the object was closed.
  bool next_key(std::string_view& key);
  // Within an array: a value is next. False: the array was closed.
  bool next_element();

  // Whether the one value of the text was taken, and nothing is left.
  bool finished();
  bool failed() const { return failed_; }

 private:
  struct Frame {
    std::size_t first_key;  // in keys_
    std::size_t num_items;
    bool many_keys;  // the innermost of many_keys_ holds them
  };
  struct Memory {
    std::array<std::byte, 1024> bytes;
    std::pmr::monotonic_buffer_resource resource{bytes.data(), bytes.size()};
  };

  bool fail();
  void skip_space() {
    while (at_ < text_.size() && text_[at_] <= ' ' && is_space(text_[at_])) ++at_;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  bool open(char bracket);
  bool next_item(char close);
  void close();
  bool add_key(std::string_view key);
  JsonScalar number();
  std::string_view quoted();
  std::string_view decoded(std::size_t begin);
  bool decode_escape(std::string& out);
  bool decode_unit(std::uint32_t& unit);
  bool word(std::string_view letters);
  std::size_t num_digits();
  double real(std::string_view digits);

  const std::string_view text_;
  const JsonLimits limits_;
  std::size_t at_ = 0;
  std::size_t num_values_ = 0;
  std::size_t depth_ = 0;
  bool failed_ = false;
  std::array<Frame, kMaxDepth> frames_;  // of what is open
  Memory memory_;
  std::pmr::vector<std::string_view> keys_;  // of all open objects
  std::forward_list<std::set<std::string_view>> many_keys_;
  std::forward_list<std::string> strings_;  // that had escapes
};

}  // namespace millrace::api
