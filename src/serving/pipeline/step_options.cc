#include "serving/pipeline/step_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/file.h"

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxItems = 10'000;

// A whole number may stand where a number is wanted.
std::optional<double> as_number(const TomlValue& value) {
  if (const auto* real = value.get<double>()) return *real;
  if (const auto* whole = value.get<std::int64_t>()) return static_cast<double>(*whole);
  return std::nullopt;
}

}  // namespace

StepOptions::StepOptions(const TomlValue& table, std::string where, std::filesystem::path folder)
    : table_(table), where_(std::move(where)), folder_(std::move(folder)) {}

const TomlValue* StepOptions::take(const char* key) {
  asked_.insert(key);
  return table_.find(key);
}

void StepOptions::refuse(const char* key, const std::string& message) {
  if (status_) status_ = invalid(fmt::format("{}: {}: {}", where_, key, message), key);
}

std::unexpected<Error> StepOptions::wrong(const std::string& message) const {
  return invalid(fmt::format("{}: {}", where_, message));
}

template <class T>
const T* StepOptions::take_as(const char* key, const char* wanted) {
  const TomlValue* value = take(key);
  if (!value) return nullptr;
  const T* typed = value->get<T>();
  if (!typed) refuse(key, fmt::format("must be {}, not {}", wanted, kind_of(*value)));
  return typed;
}

void StepOptions::integer(const char* key, std::int64_t& target, std::int64_t min,
                          std::int64_t max) {
  const auto* value = take_as<std::int64_t>(key, "a whole number");
  if (!value) return;
  if (*value < min || *value > max) {
    return refuse(key, fmt::format("{} is not between {} and {}", *value, min, max));
  }
  target = *value;
}

void StepOptions::number(const char* key, double& target, double min, double max) {
  const TomlValue* value = take(key);
  if (!value) return;
  const auto number = as_number(*value);
  if (!number) return refuse(key, fmt::format("must be a number, not {}", kind_of(*value)));
  if (!(*number >= min && *number <= max)) {
    return refuse(key, fmt::format("{} is not between {} and {}", *number, min, max));
  }
  target = *number;
}

void StepOptions::flag(const char* key, bool& target) {
  if (const auto* value = take_as<bool>(key, "true or false")) target = *value;
}

void StepOptions::text(const char* key, std::string& target) {
  if (const auto* value = take_as<std::string>(key, "a string")) target = *value;
}

void StepOptions::choice(const char* key, std::string& target,
                         const std::vector<std::string>& values) {
  const auto* value = take_as<std::string>(key, "a string");
  if (!value) return;
  if (std::ranges::find(values, *value) == values.end()) {
    return refuse(key, fmt::format("\"{}\" is not one of {}", *value, fmt::join(values, ", ")));
  }
  target = *value;
}

template <class T>
void StepOptions::take_list(const char* key, std::vector<T>& target, const char* wanted) {
  const auto* items = take_as<TomlValue::Array>(key, wanted);
  if (!items) return;
  if (items->size() > kMaxItems) {
    return refuse(key, fmt::format("at most {} values", kMaxItems));
  }
  std::vector<T> read;
  for (const TomlValue& item : *items) {
    if constexpr (std::is_same_v<T, double>) {
      const auto number = as_number(item);
      if (!number) return refuse(key, fmt::format("must be {}", wanted));
      read.push_back(*number);
    } else {
      const T* typed = item.get<T>();
      if (!typed) return refuse(key, fmt::format("must be {}", wanted));
      read.push_back(*typed);
    }
  }
  target = std::move(read);
}

void StepOptions::integers(const char* key, std::vector<std::int64_t>& target, std::int64_t min,
                           std::int64_t max) {
  std::vector<std::int64_t> read = target;
  take_list(key, read, "a list of whole numbers");
  for (const std::int64_t value : read) {
    if (value < min || value > max) {
      return refuse(key, fmt::format("{} is not between {} and {}", value, min, max));
    }
  }
  target = std::move(read);
}

void StepOptions::numbers(const char* key, std::vector<double>& target) {
  take_list(key, target, "a list of numbers");
}

void StepOptions::texts(const char* key, std::vector<std::string>& target) {
  take_list(key, target, "a list of strings");
}

void StepOptions::file(const char* key, std::string& contents, std::size_t max_bytes) {
  const auto* name = take_as<std::string>(key, "the name of a file");
  if (!name) return;
  const auto path = resolve_beneath(folder_, *name);
  if (!path) {
    return refuse(key, fmt::format("there is no file '{}' beside the pipeline", *name));
  }
  auto read = read_file(*path, max_bytes);
  if (!read) {
    const bool large = read.error().kind == ErrorKind::too_large;
    return refuse(key, large ? fmt::format("'{}' has more than {} bytes", *name, max_bytes)
                             : fmt::format("'{}' cannot be read", *name));
  }
  contents = *std::move(read);
}

Status StepOptions::finish() const {
  if (!status_) return status_;
  for (const TomlEntry& entry : *table_.get<TomlValue::Table>()) {
    if (asked_.contains(entry.key)) continue;
    std::string known;
    for (const std::string& name : asked_) known += (known.empty() ? "" : ", ") + name;
    return invalid(fmt::format("{}: {}: no such option here; {}", where_, entry.key,
                               known.empty() ? std::string("this step has none")
                                             : fmt::format("this step has {}", known)),
                   entry.key);
  }
  return {};
}

}  // namespace millrace::serving
