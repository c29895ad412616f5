#include "base/toml.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <optional>

namespace millrace {
namespace {

constexpr int kMaxDepth = 32;

// Empty for what JSON has no value for, and where it is nested too deeply.
std::optional<json::value> value_of(const toml::node& node, int depth) {
  if (depth > kMaxDepth) return std::nullopt;
  if (const auto* text = node.as_string()) return json::value(text->get());
  if (const auto* number = node.as_integer()) return json::value(number->get());
  if (const auto* real = node.as_floating_point()) return json::value(real->get());
  if (const auto* truth = node.as_boolean()) return json::value(truth->get());
  if (const auto* list = node.as_array()) {
    json::array made;
    for (const toml::node& element : *list) {
      auto value = value_of(element, depth + 1);
      if (!value) return std::nullopt;
      made.push_back(*std::move(value));
    }
    return made;
  }
  const auto* table = node.as_table();
  if (!table) return std::nullopt;
  json::object made;
  for (const auto& [key, element] : *table) {
    auto value = value_of(element, depth + 1);
    if (!value) return std::nullopt;
    made.emplace(key.str(), *std::move(value));
  }
  return made;
}

}  // namespace

Result<json::object> parse_toml(std::string_view text, const std::string& file_name) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return invalid(
        fmt::format("{}:{}: {}", file_name, error.source().begin.line, error.description()));
  }
  json::object made;
  for (const auto& [key, node] : table) {
    auto value = value_of(node, 0);
    if (!value) {
      return invalid(fmt::format("{}:{}: \"{}\" holds a date, or is nested too deeply", file_name,
                                 key.source().begin.line, std::string_view(key.str())));
    }
    made.emplace(key.str(), *std::move(value));
  }
  return made;
}

}  // namespace millrace
