// ConfigFields: typed, range-checked reads of a model's hyper-parameters, from config.json or from
// GGUF metadata. The first failure sticks: later reads return their fallback (or the low end of
// their range), and status() tells what was wrong by field name. Not thread-safe.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "weights/weight_file.h"

namespace millrace::models {

class ConfigFields {
 public:
  // `where` opens every message ("config.json", "config.json: rope_scaling"). Borrows the object.
  explicit ConfigFields(const json::object& object, std::string where = "config.json");
  // Keys are looked up as prefix + key ("llama." + "block_count"). Borrows the file.
  ConfigFields(const weights::WeightFile& gguf, std::string prefix);

  // null counts as absent. Without a fallback an absent field is an error.
  bool has(std::string_view key) const;
  int integer(std::string_view key, int low, int high, std::optional<int> fallback = {});
  // Larger values are cut to `high`: for limits such as the context length.
  int integer_up_to(std::string_view key, int low, int high, std::optional<int> fallback = {});
  double number(std::string_view key, double low, double high, std::optional<double> fallback = {});
  bool flag(std::string_view key, bool fallback);
  std::string text(std::string_view key, std::string_view fallback);
  // One id or a list of ids (config.json's eos_token_id); empty when absent.
  std::vector<std::int32_t> token_ids(std::string_view key);
  // A nested object; nothing when absent.
  const json::object* object(std::string_view key);

  // Words that enum-like fields may have; anything else is an error that lists them.
  template <class T>
  T choice(std::string_view key, std::string_view fallback,
           std::initializer_list<std::pair<std::string_view, T>> words) {
    const std::string word = text(key, fallback);
    std::string known;
    for (const auto& [name, value] : words) {
      if (name == word) return value;
      known += known.empty() ? "" : ", ";
      known += name;
    }
    fail_field(key, "is \"" + word + "\", expected one of: " + known);
    return words.begin()->second;
  }

  void fail_field(std::string_view key, const std::string& what);
  // Takes over the failure of a nested reader.
  void adopt(const ConfigFields& nested) {
    if (status_) status_ = nested.status_;
  }
  const Status& status() const { return status_; }

 private:
  struct Other {};  // present, but of a type no field here has
  using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, Other>;
  Value find(std::string_view key) const;
  std::optional<std::int64_t> whole_number(std::string_view key);

  const json::object* object_ = nullptr;
  const weights::WeightFile* gguf_ = nullptr;
  std::string where_;  // or the GGUF prefix
  Status status_;
};

}  // namespace millrace::models
