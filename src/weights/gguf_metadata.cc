#include "weights/gguf_metadata.h"

#include <cmath>
#include <limits>
#include <utility>

#include "weights/file_errors.h"

namespace millrace::weights {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 65'535;

enum class ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,
  count,
};

class MetadataReader {
 public:
  MetadataReader(ByteCursor& in, const GgufLimits& limits) : in_(in), limits_(limits) {}

  Result<std::map<std::string, MetaValue, std::less<>>> read(std::uint64_t count);

 private:
  Result<std::string_view> key();
  Result<MetaValue> value(ValueType type);
  Result<MetaValue> array();
  Result<std::vector<std::string>> strings(std::uint64_t count);
  template <class Wide, class Stored>
  Result<MetaValue> numbers(std::uint64_t count);
  template <class Wide, class Stored>
  Result<MetaValue> number();
  Result<MetaValue> boolean();

  std::unexpected<Error> wrong(const std::string& what) const {
    return bad_file("metadata key " + shown_name(key_) + ": " + what);
  }
  std::unexpected<Error> cut_short() const {
    return wrong("the file ends in the middle of the value");
  }

  ByteCursor& in_;
  const GgufLimits& limits_;
  std::string_view key_;  // being read, for messages
  std::uint64_t num_array_elements_ = 0;
};

Result<std::string_view> MetadataReader::key() {
  std::uint64_t size = 0;
  std::string_view key;
  if (!in_.read(size)) return bad_file("metadata: the file ends in the middle of a key");
  if (size == 0) return bad_file("metadata: a key is empty");
  if (size > kMaxKeyBytes) {
    return bad_file("metadata: a key of " + std::to_string(size) + " bytes; at most " +
                    std::to_string(kMaxKeyBytes) + " are accepted");
  }
  if (!in_.read_text(size, key)) return bad_file("metadata: the file ends in the middle of a key");
  for (const char c : key) {
    if (c < ' ' || c > '~')
      return bad_file("metadata: key " + shown_name(key) + " is not plain ASCII");
  }
  return key;
}

template <class Wide, class Stored>
Result<MetaValue> MetadataReader::number() {
  Stored stored{};
  if (!in_.read(stored)) return cut_short();
  if constexpr (std::is_floating_point_v<Stored>) {
    if (!std::isfinite(stored)) return wrong("the number is not finite");
  }
  return MetaValue(static_cast<Wide>(stored));
}

Result<MetaValue> MetadataReader::boolean() {
  std::uint8_t stored = 0;
  if (!in_.read(stored)) return cut_short();
  if (stored > 1) return wrong("a boolean is " + std::to_string(stored) + ", not 0 or 1");
  return MetaValue(stored == 1);
}

template <class Wide, class Stored>
Result<MetaValue> MetadataReader::numbers(std::uint64_t count) {
  if (count > in_.remaining() / sizeof(Stored)) return wrong("the array is longer than the file");
  std::vector<Wide> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    Stored stored{};
    if (!in_.read(stored)) return cut_short();
    if constexpr (std::is_floating_point_v<Stored>) {
      if (std::isnan(stored)) return wrong("an array element is not a number");
    } else if constexpr (std::is_same_v<Stored, std::uint64_t>) {
      if (stored > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        return wrong("an array element is over 2^63 - 1");
      }
    }
    values.push_back(static_cast<Wide>(stored));
  }
  return MetaValue(std::move(values));
}

Result<std::vector<std::string>> MetadataReader::strings(std::uint64_t count) {
  if (count > in_.remaining() / sizeof(std::uint64_t)) {
    return wrong("the array is longer than the file");
  }
  std::vector<std::string> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t size = 0;
    std::string_view text;
    if (!in_.read(size)) return cut_short();
    if (size > limits_.max_string_bytes) {
      return wrong("a string of " + std::to_string(size) + " bytes; at most " +
                   std::to_string(limits_.max_string_bytes) + " are accepted");
    }
    if (!in_.read_text(size, text)) return cut_short();
    values.emplace_back(text);
  }
  return values;
}

Result<MetaValue> MetadataReader::array() {
  std::uint32_t type = 0;
  std::uint64_t count = 0;
  if (!in_.read(type) || !in_.read(count)) return cut_short();
  if (count > limits_.max_array_elements - num_array_elements_) {
    return wrong("an array of " + std::to_string(count) + " elements; all arrays together hold " +
                 "at most " + std::to_string(limits_.max_array_elements));
  }
  num_array_elements_ += count;
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8:
      return numbers<std::int64_t, std::uint8_t>(count);
    case ValueType::i8:
      return numbers<std::int64_t, std::int8_t>(count);
    case ValueType::u16:
      return numbers<std::int64_t, std::uint16_t>(count);
    case ValueType::i16:
      return numbers<std::int64_t, std::int16_t>(count);
    case ValueType::u32:
      return numbers<std::int64_t, std::uint32_t>(count);
    case ValueType::i32:
      return numbers<std::int64_t, std::int32_t>(count);
    case ValueType::u64:
      return numbers<std::int64_t, std::uint64_t>(count);
    case ValueType::i64:
      return numbers<std::int64_t, std::int64_t>(count);
    case ValueType::f32:
      return numbers<double, float>(count);
    case ValueType::f64:
      return numbers<double, double>(count);
    case ValueType::boolean: {
      auto values = numbers<std::int64_t, std::uint8_t>(count);
      if (!values) return values;
      for (const std::int64_t flag : std::get<std::vector<std::int64_t>>(*values)) {
        if (flag > 1) return wrong("a boolean is " + std::to_string(flag) + ", not 0 or 1");
      }
      return values;
    }
    case ValueType::string: {
      auto values = strings(count);
      if (!values) return pass(values);
      return MetaValue(std::move(*values));
    }
    case ValueType::array:
      return wrong("arrays of arrays are not supported");
    case ValueType::count:
      break;
  }
  return wrong("unknown array element type " + std::to_string(type));
}

Result<MetaValue> MetadataReader::value(ValueType type) {
  switch (type) {
    case ValueType::u8:
      return number<std::uint64_t, std::uint8_t>();
    case ValueType::u16:
      return number<std::uint64_t, std::uint16_t>();
    case ValueType::u32:
      return number<std::uint64_t, std::uint32_t>();
    case ValueType::u64:
      return number<std::uint64_t, std::uint64_t>();
    case ValueType::i8:
      return number<std::int64_t, std::int8_t>();
    case ValueType::i16:
      return number<std::int64_t, std::int16_t>();
    case ValueType::i32:
      return number<std::int64_t, std::int32_t>();
    case ValueType::i64:
      return number<std::int64_t, std::int64_t>();
    case ValueType::f32:
      return number<double, float>();
    case ValueType::f64:
      return number<double, double>();
    case ValueType::boolean:
      return boolean();
    case ValueType::string: {
      auto text = strings(1);
      if (!text) return pass(text);
      return MetaValue(std::move(text->front()));
    }
    case ValueType::array:
      return array();
    case ValueType::count:
      break;
  }
  return wrong("unknown value type " + std::to_string(static_cast<std::uint32_t>(type)));
}

Result<std::map<std::string, MetaValue, std::less<>>> MetadataReader::read(std::uint64_t count) {
  std::map<std::string, MetaValue, std::less<>> metadata;
  const std::size_t start = in_.position();
  for (std::uint64_t i = 0; i < count; ++i) {
    auto name = key();
    if (!name) return pass(name);
    key_ = *name;
    std::uint32_t type = 0;
    if (!in_.read(type)) return cut_short();
    auto read_value = value(static_cast<ValueType>(type));
    if (!read_value) return pass(read_value);
    if (!metadata.try_emplace(std::string(key_), std::move(*read_value)).second) {
      return wrong("the key occurs twice");
    }
    if (in_.position() - start > limits_.max_metadata_bytes) {
      return wrong("the metadata is over " + std::to_string(limits_.max_metadata_bytes) + " bytes");
    }
  }
  return metadata;
}

}  // namespace

Result<std::map<std::string, MetaValue, std::less<>>> read_gguf_metadata(ByteCursor& in,
                                                                         std::uint64_t count,
                                                                         const GgufLimits& limits) {
  return MetadataReader(in, limits).read(count);
}

}  // namespace millrace::weights
