// The wire format of protocol buffers, read without a schema: hostile input in, fields out.
// Messages within messages are read by another reader over the field's bytes, so nothing here
// recurses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

class WireReader {
 public:
  struct Field {
    std::uint32_t number = 0;
    std::uint64_t value = 0;   // of varints and fixed widths
    std::string_view bytes{};  // of length-delimited fields
    std::string_view whole{};  // with its tag, as it lies there
    bool is_bytes = false;     // length-delimited
  };

  explicit WireReader(std::string_view message) : rest_(message) {}
  // False at the end, or where the message is malformed: then failed().
  bool next(Field& field);
  bool failed() const { return failed_; }

 private:
  bool fixed(std::size_t width, std::uint64_t& value);

  std::string_view rest_;
  bool failed_ = false;
};

// Takes a varint off the front; false where there is none. Packed fields are such, end to end.
bool take_varint(std::string_view& rest, std::uint64_t& value);

// A length-delimited field, appended.
void append_field(std::string& message, std::uint32_t number, std::string_view bytes);

}  // namespace millrace
