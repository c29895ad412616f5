#include "base/toml_tree.h"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <algorithm>
#include <utility>

namespace millrace {
namespace {

// Copies the library's tree, counting values and depth.
class Reader {
 public:
  Reader(std::string_view file_name, const TomlLimits& limits)
      : file_name_(file_name), limits_(limits) {}

  Result<TomlValue> read(const toml::node& node, int depth) {
    const int line = static_cast<int>(node.source().begin.line);
    if (depth > limits_.max_depth) {
      return wrong(line, fmt::format("nested deeper than {}", limits_.max_depth));
    }
    if (++num_values_ > limits_.max_values) {
      return wrong(line, fmt::format("more than {} values", limits_.max_values));
    }
    TomlValue out;
    out.line = line;
    if (const auto* text = node.as_string()) {
      out.value = text->get();
    } else if (const auto* whole = node.as_integer()) {
      out.value = whole->get();
    } else if (const auto* real = node.as_floating_point()) {
      out.value = real->get();
    } else if (const auto* truth = node.as_boolean()) {
      out.value = truth->get();
    } else if (const auto* array = node.as_array()) {
      return read_array(*array, std::move(out), depth);
    } else if (const auto* table = node.as_table()) {
      return read_table(*table, std::move(out), depth);
    } else {
      return wrong(line, "dates and times mean nothing here");
    }
    return out;
  }

 private:
  Result<TomlValue> read_array(const toml::array& array, TomlValue out, int depth) {
    TomlValue::Array items;
    for (const toml::node& item : array) {
      auto value = read(item, depth + 1);
      if (!value) return value;
      items.push_back(*std::move(value));
    }
    out.value = std::move(items);
    return out;
  }
  Result<TomlValue> read_table(const toml::table& table, TomlValue out, int depth) {
    // The library sorts by key; a file means its order.
    std::vector<std::pair<const toml::key*, const toml::node*>> entries;
    for (const auto& [key, node] : table) entries.emplace_back(&key, &node);
    std::ranges::stable_sort(entries, {}, [](const auto& entry) {
      const auto begin = entry.first->source().begin;
      return std::pair(begin.line, begin.column);
    });
    TomlValue::Table fields;
    for (const auto& [key, node] : entries) {
      auto value = read(*node, depth + 1);
      if (!value) return value;
      value->line = std::max(value->line, static_cast<int>(key->source().begin.line));
      fields.push_back({.key = std::string(key->str()), .value = *std::move(value)});
    }
    out.value = std::move(fields);
    return out;
  }
  std::unexpected<Error> wrong(int line, std::string_view message) const {
    return invalid(fmt::format("{}:{}: {}", file_name_, line, message));
  }

  const std::string_view file_name_;
  const TomlLimits& limits_;
  std::size_t num_values_ = 0;
};

}  // namespace

const TomlValue* TomlValue::find(std::string_view key) const {
  const auto* table = get<Table>();
  if (!table) return nullptr;
  const auto found = std::ranges::find(*table, key, &TomlEntry::key);
  return found == table->end() ? nullptr : &found->value;
}

const char* kind_of(const TomlValue& value) {
  constexpr const char* kKinds[] = {"true or false", "a whole number", "a number",
                                    "a string",      "a list",         "a table"};
  return kKinds[value.value.index()];
}

Result<TomlValue> parse_toml_tree(std::string_view text, std::string_view file_name,
                                  const TomlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorKind::too_large,
                fmt::format("{} has more than {} bytes", file_name, limits.max_bytes));
  }
  try {
    return Reader(file_name, limits).read(toml::parse(text), 0);
  } catch (const toml::parse_error& error) {
    return invalid(
        fmt::format("{}:{}: {}", file_name, error.source().begin.line, error.description()));
  }
}

}  // namespace millrace
