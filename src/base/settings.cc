#include "base/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

namespace millrace {
namespace {

template <class T>
Result<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid(fmt::format("\"{}\" is not a number", text));
  }
  return value;
}

Result<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "1" || text == "on" || text == "yes") return true;
  if (text == "false" || text == "0" || text == "off" || text == "no") return false;
  return invalid(fmt::format("\"{}\" is neither true nor false", text));
}

// An integral or floating setting between two limits.
template <class T>
std::function<Status(std::string_view)> bounded(T& target, T min, T max) {
  return [&target, min, max](std::string_view text) -> Status {
    auto value = parse_number<T>(text);
    if (!value) return pass(value);
    if (*value < min || *value > max)
      return invalid(fmt::format("{} is not between {} and {}", *value, min, max));
    target = *value;
    return {};
  };
}

std::string toml_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* real = node.as_floating_point()) return fmt::format("{}", real->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (const auto* array = node.as_array()) {
    std::string lines;
    for (const toml::node& element : *array) lines += toml_text(element) + "\n";
    return lines;
  }
  return {};
}

bool is_table(const toml::node& node) {
  return node.is_table() || (node.is_array() && node.as_array()->is_array_of_tables());
}

std::vector<std::string_view> lines_of(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace

void Settings::add(Setting setting) {
  setting.set = [name = setting.name,
                 inner = std::move(setting.set)](std::string_view text) -> Status {
    Status done = inner(text);
    if (!done) done.error().param = name;
    return done;
  };
  settings_.push_back(std::move(setting));
}

void Settings::text(std::string name, std::string& target, std::string value_name,
                    std::string help) {
  add({std::move(name), std::move(value_name), std::move(help), target,
       [&target](std::string_view text) -> Status {
         target = text;
         return {};
       }});
}

void Settings::list(std::string name, std::string& target, std::string value_name,
                    std::string help) {
  text(std::move(name), target, std::move(value_name), std::move(help));
  settings_.back().is_repeatable = true;
}

void Settings::choice(std::string name, std::string& target, std::vector<std::string> values,
                      std::string help) {
  auto set = [&target, values](std::string_view text) -> Status {
    if (std::ranges::find(values, text) == values.end()) {
      return invalid(fmt::format("\"{}\" is not one of {}", text, fmt::join(values, ", ")));
    }
    target = text;
    return {};
  };
  add({std::move(name), fmt::format("{}", fmt::join(values, "|")), std::move(help), target,
       std::move(set)});
}

void Settings::integer(std::string name, std::int64_t& target, std::int64_t min, std::int64_t max,
                       std::string help) {
  add({std::move(name), "N", std::move(help),
       target == 0 && min == 0 ? "auto" : fmt::format("{}", target), bounded(target, min, max)});
}

void Settings::number(std::string name, double& target, double min, double max, std::string help) {
  add({std::move(name), "X", std::move(help), fmt::format("{}", target),
       bounded(target, min, max)});
}

void Settings::bytes(std::string name, std::int64_t& target, std::string help) {
  auto set = [&target](std::string_view text) -> Status {
    auto value = parse_byte_size(text);
    if (!value) return pass(value);
    target = *value;
    return {};
  };
  add({std::move(name), "BYTES", std::move(help), target == 0 ? "auto" : format_byte_size(target),
       std::move(set)});
}

void Settings::flag(std::string name, bool& target, std::string help) {
  auto set = [&target](std::string_view text) -> Status {
    auto value = parse_bool(text);
    if (!value) return pass(value);
    target = *value;
    return {};
  };
  add({std::move(name), "", std::move(help), target ? "true" : "false", std::move(set)});
}

void Settings::numbers(std::string name, std::vector<double>& target, std::size_t min_count,
                       std::size_t max_count, std::string help) {
  auto set = [&target, min_count, max_count](std::string_view text) -> Status {
    std::vector<double> read;
    for (const std::string_view line : lines_of(text)) {
      const auto value = parse_number<double>(line);
      if (!value) return std::unexpected(value.error());
      if (!std::isfinite(*value)) return invalid(fmt::format("{} is not a finite number", line));
      read.push_back(*value);
    }
    if (read.size() < min_count || read.size() > max_count) {
      return invalid(min_count == max_count
                         ? fmt::format("{} numbers are wanted, not {}", min_count, read.size())
                         : fmt::format("{} to {} numbers are wanted, not {}", min_count, max_count,
                                       read.size()));
    }
    target = std::move(read);
    return {};
  };
  add({std::move(name), "[X, ...]", std::move(help), "", std::move(set), true});
}

void Settings::texts(std::string name, std::vector<std::string>& target, std::string help) {
  auto set = [&target](std::string_view text) -> Status {
    const auto lines = lines_of(text);
    target.assign(lines.begin(), lines.end());
    return {};
  };
  add({std::move(name), "[TEXT, ...]", std::move(help), "", std::move(set), true});
}

const Setting* Settings::find(std::string_view name) const {
  const auto found = std::ranges::find(settings_, name, &Setting::name);
  return found == settings_.end() ? nullptr : &*found;
}

void Settings::pass_over_in_files(const Settings& others) {
  for (const Setting& setting : others.settings_) passed_over_.push_back(setting.name);
}

namespace {

Result<toml::table> parse(std::string_view text, const std::string& file_name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return invalid(
        fmt::format("{}:{}: {}", file_name, error.source().begin.line, error.description()));
  }
}

}  // namespace

bool has_toml_table(std::string_view text, std::string_view table) {
  const auto document = parse(text, {});
  return document && (*document)[table].is_table();
}

Status Settings::apply_toml(std::string_view text, const std::string& file_name,
                            std::string_view table, std::vector<std::string_view> left_out) {
  const auto document = parse(text, file_name);
  if (!document) return std::unexpected(document.error());
  const toml::table* entries = table.empty() ? &*document : (*document)[table].as_table();
  if (!entries) return {};
  const std::string prefix = table.empty() ? std::string() : fmt::format("[{}] ", table);
  for (const auto& [key, node] : *entries) {
    std::string name(key.str());
    std::ranges::replace(name, '_', '-');
    if (is_table(node) && std::ranges::find(left_out, name) != left_out.end()) continue;
    const auto at = fmt::format("{}:{}: {}", file_name, key.source().begin.line, prefix);
    const Setting* setting = find(name);
    if (!setting && std::ranges::find(passed_over_, name) != passed_over_.end()) continue;
    if (!setting) {
      const char* where = table.empty() ? "; `millrace serve --help-all` lists them" : "";
      return invalid(
          fmt::format("{}unknown setting \"{}\"{}", at, std::string_view(key.str()), where), name);
    }
    if (node.is_table() || (node.is_array() && !setting->is_list)) {
      return invalid(fmt::format("{}{}: a single value is wanted", at, name), name);
    }
    if (Status done = setting->set(toml_text(node)); !done) {
      return invalid(fmt::format("{}{}: {}", at, name, done.error().message), name);
    }
  }
  return {};
}

Status Settings::apply_environment(const std::function<const char*(const char*)>& lookup) {
  for (const Setting& setting : settings_) {
    const std::string variable = environment_name(setting.name);
    const char* value = lookup(variable.c_str());
    if (!value) continue;
    if (Status done = setting.set(value); !done) {
      return invalid(fmt::format("{}: {}", variable, done.error().message), setting.name);
    }
  }
  return {};
}

std::string environment_name(std::string_view setting) {
  std::string name = "MILLRACE_";
  for (const char c : setting)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Result<std::int64_t> parse_byte_size(std::string_view text) {
  if (text == "auto") return 0;
  const auto unit_at = text.find_first_not_of("0123456789.");
  std::string unit(unit_at == std::string_view::npos ? std::string_view() : text.substr(unit_at));
  auto value = parse_number<double>(text.substr(0, unit_at));
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},         {"B", 1},      {"K", 0x1p10},   {"KiB", 0x1p10}, {"M", 0x1p20},
      {"MiB", 0x1p20}, {"G", 0x1p30}, {"GiB", 0x1p30}, {"T", 0x1p40},   {"TiB", 0x1p40},
      {"kB", 1e3},     {"MB", 1e6},   {"GB", 1e9},     {"TB", 1e12}};
  const auto* known = std::ranges::find(kUnits, unit, &std::pair<std::string_view, double>::first);
  if (!value || known == std::end(kUnits) || *value * known->second > 0x1p62) {
    return invalid(fmt::format("\"{}\" is not a size; write for example 512MiB or 2GiB", text));
  }
  return static_cast<std::int64_t>(*value * known->second);
}

std::string format_byte_size(std::int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(value) >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace millrace
