#include "api/lenient_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace millrace::api {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Word {
  std::string_view text;
  const char* json;  // what stands for it; null is no value that a tensor may have
};
// Longer ones first.
constexpr Word kWords[] = {{"-Infinity", R"({"-Infinity":null})"},
                           {"-Inf", R"({"-Infinity":null})"},
                           {"-NaN", R"({"NaN":null})"},
                           {"Infinity", R"({"Infinity":null})"},
                           {"Inf", R"({"Infinity":null})"},
                           {"NaN", R"({"NaN":null})"}};

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '+' || c == '-';
}

const Word* word_at(std::string_view text, std::size_t at) {
  if (at > 0 && is_word_character(text[at - 1])) return nullptr;
  for (const Word& word : kWords) {
    if (!text.substr(at).starts_with(word.text)) continue;
    const std::size_t end = at + word.text.size();
    if (end == text.size() || !is_word_character(text[end])) return &word;
  }
  return nullptr;
}

// Where the string that begins at `at` ends: behind its quote.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

// Ends early where more than `max_bytes` have come: the parser then refuses the length.
std::string spell_out(std::string_view text, std::size_t max_bytes) {
  std::string out;
  out.reserve(text.size() + 64);
  std::size_t i = 0;
  while (i < text.size() && out.size() <= max_bytes) {
    const char c = text[i];
    const Word* word = c == 'N' || c == 'I' || c == '-' ? word_at(text, i) : nullptr;
    std::size_t end = i + 1;
    if (word) {
      out += word->json;
      i += word->text.size();
      continue;
    }
    if (c == '"') end = end_of_string(text, i);
    out += text.substr(i, end - i);
    i = end;
  }
  return out;
}

template <class Float>
void append(std::string& out, Float value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "Infinity" : "-Infinity";
  } else {
    const std::size_t begin = out.size();
    fmt::format_to(std::back_inserter(out), "{}", value);
    if (out.find('.', begin) != std::string::npos) return;
    out.insert(std::min(out.find('e', begin), out.size()), ".0");
  }
}

}  // namespace

Result<json::value> parse_lenient_json(std::string_view text, const JsonLimits& limits) {
  const bool plain =
      text.size() > limits.max_bytes || (!text.contains("NaN") && !text.contains("Inf"));
  return plain ? parse_json(text, limits) : parse_json(spell_out(text, limits.max_bytes), limits);
}

std::optional<double> special_number(const json::value& value) {
  const auto* object = value.if_object();
  if (!object || object->size() != 1 || !object->begin()->value().is_null()) return std::nullopt;
  const std::string_view key = object->begin()->key();
  if (key == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (key == "Infinity") return kInfinity;
  if (key == "-Infinity") return -kInfinity;
  return std::nullopt;
}

void append_lenient_number(std::string& out, float value) {
  append(out, value);
}

void append_lenient_number(std::string& out, double value) {
  append(out, value);
}

}  // namespace millrace::api
