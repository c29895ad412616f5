#include "models/config_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace::models {
namespace {

constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();

std::int64_t saturated(std::uint64_t value) {
  return value > static_cast<std::uint64_t>(kMaxInt64) ? kMaxInt64
                                                       : static_cast<std::int64_t>(value);
}

}  // namespace

ConfigFields::ConfigFields(const json::object& object, std::string where)
    : object_(&object), where_(std::move(where)) {}

ConfigFields::ConfigFields(const weights::WeightFile& gguf, std::string prefix)
    : gguf_(&gguf), where_(std::move(prefix)) {}

void ConfigFields::fail_field(std::string_view key, const std::string& what) {
  if (!status_) return;
  const std::string place = gguf_ ? where_ + std::string(key) : fmt::format("{}: {}", where_, key);
  status_ = invalid(fmt::format("{} {}", place, what), std::string(key), "invalid_model");
}

ConfigFields::Value ConfigFields::find(std::string_view key) const {
  if (object_) {
    const json::value* value = object_->if_contains(key);
    if (!value || value->is_null()) return std::monostate{};
    if (value->is_bool()) return value->get_bool();
    if (value->is_int64()) return value->get_int64();
    if (value->is_uint64()) return saturated(value->get_uint64());
    if (value->is_double()) return value->get_double();
    if (value->is_string()) return std::string(value->get_string());
    return Other{};
  }
  const auto& metadata = gguf_->metadata();
  const auto found = metadata.find(where_ + std::string(key));
  if (found == metadata.end()) return std::monostate{};
  const weights::MetaValue& value = found->second;
  if (const auto* v = std::get_if<bool>(&value)) return *v;
  if (const auto* v = std::get_if<std::int64_t>(&value)) return *v;
  if (const auto* v = std::get_if<std::uint64_t>(&value)) return saturated(*v);
  if (const auto* v = std::get_if<double>(&value)) return *v;
  if (const auto* v = std::get_if<std::string>(&value)) return *v;
  // One value a layer: only files where all layers agree are understood.
  if (const auto* v = std::get_if<std::vector<std::int64_t>>(&value)) {
    const bool uniform =
        !v->empty() && std::all_of(v->begin(), v->end(), [&](auto x) { return x == v->front(); });
    if (uniform) return v->front();
  }
  return Other{};
}

bool ConfigFields::has(std::string_view key) const {
  return !std::holds_alternative<std::monostate>(find(key));
}

std::optional<std::int64_t> ConfigFields::whole_number(std::string_view key) {
  const Value value = find(key);
  if (std::holds_alternative<std::monostate>(value)) return std::nullopt;
  if (const auto* v = std::get_if<std::int64_t>(&value)) return *v;
  if (const auto* v = std::get_if<double>(&value)) {  // 1e4 is how some writers spell 10000
    if (std::floor(*v) == *v && std::fabs(*v) < 9e15) return static_cast<std::int64_t>(*v);
  }
  fail_field(key, "is not a whole number");
  return std::nullopt;
}

int ConfigFields::integer(std::string_view key, int low, int high, std::optional<int> fallback) {
  const std::optional<std::int64_t> value = whole_number(key);
  if (!value) {
    if (!fallback) fail_field(key, "is missing");
    return fallback.value_or(low);
  }
  if (*value < low || *value > high) {
    fail_field(key, fmt::format("is {}, expected {} to {}", *value, low, high));
    return fallback.value_or(low);
  }
  return static_cast<int>(*value);
}

int ConfigFields::integer_up_to(std::string_view key, int low, int high,
                                std::optional<int> fallback) {
  const std::optional<std::int64_t> value = whole_number(key);
  if (value && *value > high) return high;
  return integer(key, low, high, fallback);
}

double ConfigFields::number(std::string_view key, double low, double high,
                            std::optional<double> fallback) {
  const Value value = find(key);
  double x = 0;
  if (std::holds_alternative<std::monostate>(value)) {
    if (!fallback) fail_field(key, "is missing");
    return fallback.value_or(low);
  }
  if (const auto* v = std::get_if<double>(&value)) {
    x = *v;
  } else if (const auto* i = std::get_if<std::int64_t>(&value)) {
    x = static_cast<double>(*i);
  } else {
    fail_field(key, "is not a number");
    return fallback.value_or(low);
  }
  if (!std::isfinite(x) || x < low || x > high) {
    fail_field(key, fmt::format("is {}, expected {} to {}", x, low, high));
    return fallback.value_or(low);
  }
  return x;
}

bool ConfigFields::flag(std::string_view key, bool fallback) {
  const Value value = find(key);
  if (std::holds_alternative<std::monostate>(value)) return fallback;
  if (const auto* v = std::get_if<bool>(&value)) return *v;
  fail_field(key, "is neither true nor false");
  return fallback;
}

std::string ConfigFields::text(std::string_view key, std::string_view fallback) {
  const Value value = find(key);
  if (std::holds_alternative<std::monostate>(value)) return std::string(fallback);
  if (const auto* v = std::get_if<std::string>(&value)) return *v;
  fail_field(key, "is not a string");
  return std::string(fallback);
}

std::vector<std::int32_t> ConfigFields::token_ids(std::string_view key) {
  constexpr int kMaxId = std::numeric_limits<std::int32_t>::max();
  constexpr std::size_t kMaxIds = 256;
  const json::value* value = object_ ? object_->if_contains(key) : nullptr;
  if (value && value->is_array()) {
    std::vector<std::int32_t> ids;
    const json::array& array = value->get_array();
    if (array.size() > kMaxIds) fail_field(key, fmt::format("has more than {} ids", kMaxIds));
    for (const json::value& item : array) {
      const bool valid = item.is_int64() && item.get_int64() >= 0 && item.get_int64() <= kMaxId;
      if (!valid) fail_field(key, "holds something that is not a token id");
      if (!status_) return {};
      ids.push_back(static_cast<std::int32_t>(item.get_int64()));
    }
    return ids;
  }
  if (!has(key)) return {};
  const int id = integer(key, -1, kMaxId, -1);
  return id < 0 ? std::vector<std::int32_t>{} : std::vector<std::int32_t>{id};
}

const json::object* ConfigFields::object(std::string_view key) {
  const json::value* value = object_ ? object_->if_contains(key) : nullptr;
  if (!value || value->is_null()) return nullptr;
  if (value->is_object()) return &value->get_object();
  fail_field(key, "is not an object");
  return nullptr;
}

}  // namespace millrace::models
