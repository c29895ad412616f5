#include "serving/pbtxt_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace millrace::serving {

std::unexpected<Error> PbtxtSource::wrong(const PbtxtField& field, std::string_view what) const {
  return invalid(fmt::format("{}:{}: {} {}", file, field.line, field.name, what), field.name);
}

void PbtxtSource::ignored(const PbtxtField& field, std::string_view why) const {
  constexpr std::size_t kMaxWarnings = 100;
  if (!warnings || warnings->size() >= kMaxWarnings) return;
  warnings->push_back(fmt::format("{}:{}: {} {}", file, field.line, field.name, why));
}

Status read_pbtxt(const PbtxtSource& source, const PbtxtField& field, std::string& out) {
  if (field.kind != PbtxtField::Kind::string)
    return source.wrong(field, "must be a text in quotes");
  out = field.text;
  return {};
}

Status read_pbtxt(const PbtxtSource& source, const PbtxtField& field, bool& out) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, field.text) != words.end();
  };
  const bool is_word = field.kind == PbtxtField::Kind::word;
  out = is_word && is_one_of({"true", "True", "t", "1"});
  if (out || (is_word && is_one_of({"false", "False", "f", "0"}))) return {};
  return source.wrong(field, "must be true or false");
}

Result<std::int64_t> read_pbtxt_integer(const PbtxtSource& source, const PbtxtField& field,
                                        std::int64_t min, std::int64_t max) {
  std::int64_t value = 0;
  const char* end = field.text.data() + field.text.size();
  const auto [stopped, error] = std::from_chars(field.text.data(), end, value);
  const bool whole = field.kind == PbtxtField::Kind::word && error == std::errc() && stopped == end;
  if (whole && value >= min && value <= max) return value;
  return source.wrong(field, fmt::format("must be a whole number from {} to {}", min, max));
}

Result<double> read_pbtxt_number(const PbtxtSource& source, const PbtxtField& field) {
  double value = 0;
  const char* end = field.text.data() + field.text.size();
  const auto [stopped, error] = std::from_chars(field.text.data(), end, value);
  const bool whole = field.kind == PbtxtField::Kind::word && error == std::errc() &&
                     (stopped == end || std::string_view(stopped, end) == "f");
  if (whole && std::isfinite(value)) return value;
  return source.wrong(field, "must be a number");
}

Status expect_message(const PbtxtSource& source, const PbtxtField& field) {
  if (field.kind == PbtxtField::Kind::message) return {};
  return source.wrong(field, "must be a message: { … }");
}

Status read_fields(const PbtxtSource& source, const PbtxtMessage& message,
                   std::initializer_list<std::pair<std::string_view, PbtxtReader>> readers) {
  for (const PbtxtField& field : message.fields) {
    const auto* reader =
        std::ranges::find(readers, field.name, [](const auto& named) { return named.first; });
    if (reader == readers.end()) {
      source.ignored(field, "means nothing here: ignored");
      continue;
    }
    if (!reader->second) continue;  // known, and of no consequence
    if (Status read = reader->second(field); !read) return read;
  }
  return {};
}

}  // namespace millrace::serving
