#include "api/json_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "api/json_text.h"
#include "base/check.h"

namespace millrace::api {
namespace {

constexpr std::size_t kFewKeys = 16;  // of an object: up to here each is compared with all

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    tail(12), tail(6), tail(0);
  }
}

}  // namespace

JsonReader::JsonReader(std::string_view text, const JsonLimits& limits)
    : text_(text), limits_(limits), keys_(&memory_.resource) {
  MILLRACE_CHECK(limits.max_depth <= kMaxDepth);
  keys_.reserve(2 * kFewKeys);
  if (text.size() > limits.max_bytes) fail();
}

bool JsonReader::fail() {
  failed_ = true;
  at_ = text_.size();
  return false;
}

JsonReader::Kind JsonReader::kind() {
  skip_space();
  if (at_ == text_.size()) return Kind::none;
  switch (text_[at_]) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return text_[at_] == '-' || is_digit(text_[at_]) ? Kind::number : Kind::none;
  }
}

bool JsonReader::open(char bracket) {
  skip_space();
  const bool allowed = ++num_values_ <= limits_.max_values && depth_ < limits_.max_depth;
  if (!allowed || !take(bracket)) return fail();
  frames_[depth_++] = {.first_key = keys_.size(), .num_items = 0, .many_keys = false};
  return true;
}

void JsonReader::close() {
  const Frame& frame = frames_[--depth_];
  keys_.resize(frame.first_key);
  if (frame.many_keys) many_keys_.pop_front();
}

bool JsonReader::next_item(char bracket) {
  if (failed_) return false;
  MILLRACE_CHECK(depth_ > 0);
  skip_space();
  if (take(bracket)) {
    close();
    return false;
  }
  return frames_[depth_ - 1].num_items++ == 0 || take(',') || fail();
}

bool JsonReader::next_element() {
  return next_item(']') && (kind() != Kind::none || fail());
}

bool JsonReader::next_key(std::string_view& key) {
  if (!next_item('}')) return false;
  skip_space();
  key = quoted();
  if (failed_ || !add_key(key)) return fail();
  skip_space();
  return take(':') || fail();
}

// False: it was there, or there are too many.
bool JsonReader::add_key(std::string_view key) {
  Frame& frame = frames_[depth_ - 1];
  if (frame.num_items > limits_.max_keys_per_object) return false;
  const auto first = keys_.begin() + static_cast<std::ptrdiff_t>(frame.first_key);
  if (frame.num_items <= kFewKeys) {
    if (std::find(first, keys_.end(), key) != keys_.end()) return false;
    keys_.push_back(key);
    return true;
  }
  if (!std::exchange(frame.many_keys, true)) many_keys_.emplace_front(first, keys_.end());
  return many_keys_.front().insert(key).second;
}

std::string_view JsonReader::quoted() {
  if (!take('"')) return fail(), std::string_view();
  const std::size_t begin = at_;
  while (true) {
    at_ += num_plain_in_json(text_.substr(at_));
    if (at_ == text_.size()) return fail(), std::string_view();
    const char c = text_[at_];
    if (c == '"') return text_.substr(begin, at_++ - begin);
    if (c == '\\') return decoded(begin);
    const std::size_t size =
        static_cast<unsigned char>(c) < 0x80 ? 0 : utf8_character_size(text_.substr(at_));
    if (size == 0) return fail(), std::string_view();
    at_ += size;
  }
}

// A string that began at `begin`, from its first escape on.
std::string_view JsonReader::decoded(std::size_t begin) {
  std::string out(text_.substr(begin, at_ - begin));
  while (true) {
    const std::size_t plain = num_plain_in_json(text_.substr(at_));
    out.append(text_, at_, plain);
    at_ += plain;
    if (at_ == text_.size()) return fail(), std::string_view();
    const char c = text_[at_];
    if (take('"')) return strings_.emplace_front(std::move(out));
    if (take('\\')) {
      if (!decode_escape(out)) return fail(), std::string_view();
      continue;
    }
    const std::size_t size =
        static_cast<unsigned char>(c) < 0x80 ? 0 : utf8_character_size(text_.substr(at_));
    if (size == 0) return fail(), std::string_view();
    out.append(text_, at_, size);
    at_ += size;
  }
}

// Behind its backslash.
bool JsonReader::decode_escape(std::string& out) {
  if (at_ == text_.size()) return false;
  constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const char name = text_[at_++];
  if (const std::size_t known = kNames.find(name); known != std::string_view::npos) {
    out += kMeanings[known];
    return true;
  }
  std::uint32_t unit = 0, low = 0;
  if (name != 'u' || !decode_unit(unit)) return false;
  if (unit >= 0xDC00 && unit <= 0xDFFF) return false;
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (!take('\\') || !take('u') || !decode_unit(low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return false;
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, unit);
  return true;
}

bool JsonReader::decode_unit(std::uint32_t& unit) {
  if (text_.size() - at_ < 4) return false;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(text_[at_++]);
    if (digit < 0) return false;
    unit = unit * 16 + static_cast<std::uint32_t>(digit);
  }
  return true;
}

std::size_t JsonReader::num_digits() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  return at_ - begin;
}

JsonScalar JsonReader::number() {
  const std::size_t begin = at_;
  const bool negative = take('-');
  const bool zero = at_ < text_.size() && text_[at_] == '0';
  const std::size_t whole = num_digits();
  if (whole == 0 || (zero && whole > 1)) return fail(), JsonScalar();
  const std::size_t end_of_whole = at_;
  if (take('.') && num_digits() == 0) return fail(), JsonScalar();
  if (take('e') || take('E')) {
    if (!take('-')) take('+');
    const std::size_t first = at_;
    int exponent = 0;  // refused where an int does not hold it
    if (num_digits() == 0 ||
        std::from_chars(text_.data() + first, text_.data() + at_, exponent).ec != std::errc()) {
      return fail(), JsonScalar();
    }
  }
  const std::string_view digits = text_.substr(begin, at_ - begin);
  if (at_ > end_of_whole) return real(digits);
  const auto read = [&](auto value) {
    return std::pair(
        std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc(),
        value);
  };
  if (const auto [fits, value] = read(std::int64_t{}); fits) return value;
  if (negative) return real(digits);
  if (const auto [fits, value] = read(std::uint64_t{}); fits) return value;
  return real(digits);
}

// Too small is 0 or nearly so; too large is refused.
double JsonReader::real(std::string_view digits) {
  double value = 0;
  const auto end = digits.data() + digits.size();
  if (std::from_chars(digits.data(), end, value).ec == std::errc()) return value;
  value = std::strtod(std::string(digits).c_str(), nullptr);
  if (!std::isfinite(value)) fail();
  return value;
}

bool JsonReader::word(std::string_view letters) {
  if (!text_.substr(at_).starts_with(letters)) return fail();
  at_ += letters.size();
  return true;
}

JsonScalar JsonReader::scalar() {
  const Kind next = kind();
  if (next == Kind::object || next == Kind::array) return skip(), JsonScalar();
  if (++num_values_ > limits_.max_values) return fail(), JsonScalar();
  switch (next) {
    case Kind::string:
      return quoted();
    case Kind::number:
      return number();
    case Kind::boolean: {
      const bool value = text_[at_] == 't';
      return word(value ? "true" : "false") ? JsonScalar(value) : JsonScalar();
    }
    case Kind::null:
      word("null");
      return {};
    default:
      fail();
      return {};
  }
}

std::string_view JsonReader::skip() {
  skip_space();
  const std::size_t begin = at_, outside = depth_;
  std::uint64_t objects = 0;  // bit i: the one open at outside + i is an object
  do {
    if (depth_ > outside) {
      std::string_view key;
      const bool in_object = (objects >> (depth_ - outside - 1) & 1) != 0;
      if (!(in_object ? next_key(key) : next_element())) continue;
    }
    const Kind next = kind();
    if (next != Kind::object && next != Kind::array) {
      scalar();
    } else if (open(text_[at_])) {
      const std::uint64_t bit = std::uint64_t{1} << (depth_ - outside - 1);
      objects = next == Kind::object ? objects | bit : objects & ~bit;
    }
  } while (!failed_ && depth_ > outside);
  return failed_ ? std::string_view() : text_.substr(begin, at_ - begin);
}

bool JsonReader::finished() {
  skip_space();
  return !failed_ && depth_ == 0 && num_values_ > 0 && (at_ == text_.size() || fail());
}

}  // namespace millrace::api
