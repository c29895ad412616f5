// Settings: each setting is declared once (name, target, limits, help) and that declaration serves
// flags, environment, millrace.toml, --help and the reference page. Precedence: flags > environment
// > file > the target's value at declaration (the default). Not thread-safe; used at start only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

struct Setting {
  std::string
      name;  // "max-num-seqs": the flag is --max-num-seqs, the variable MILLRACE_MAX_NUM_SEQS
  std::string value_name;  // "N", "BYTES", "a|b|c"; empty for a switch
  std::string help;
  std::string default_text;
  std::function<Status(std::string_view)>
      set;               // parses, checks limits, stores; `param` is the name
  bool is_list = false;  // set() takes its values one a line
};

class Settings {
 public:
  // Targets must outlive this.
  void text(std::string name, std::string& target, std::string value_name, std::string help);
  void choice(std::string name, std::string& target, std::vector<std::string> values,
              std::string help);
  void integer(std::string name, std::int64_t& target, std::int64_t min, std::int64_t max,
               std::string help);
  void number(std::string name, double& target, double min, double max, std::string help);
  // "512MiB", "2GiB", "1500000"; 0 or "auto" means: choose.
  void bytes(std::string name, std::int64_t& target, std::string help);
  void flag(std::string name, bool& target,
            std::string help);  // --name, --no-name, NAME=true|false

  // Files only: an array, or one value. Finite numbers; from min_count to max_count of them.
  void numbers(std::string name, std::vector<double>& target, std::size_t min_count,
               std::size_t max_count, std::string help);
  // Files only: an array of texts, or one. Values hold no line breaks.
  void texts(std::string name, std::vector<std::string>& target, std::string help);

  const std::vector<Setting>& all() const { return settings_; }
  const Setting* find(std::string_view name) const;

  // TOML: one `key = value` a setting, `_` and `-` alike. Errors give the line: "millrace.toml:3:
  // …". With a table's name only what stands in [table] is read, and errors say "[table] key";
  // without, tables (and arrays of tables) that are named in `left_out` are passed over.
  Status apply_toml(std::string_view toml, const std::string& file_name,
                    std::string_view table = {}, std::vector<std::string_view> left_out = {});
  // Reads MILLRACE_<NAME> of each setting through `lookup` (getenv, or a test's map; null: not
  // set).
  Status apply_environment(const std::function<const char*(const char* variable)>& lookup);

 private:
  void add(Setting setting);
  std::vector<Setting> settings_;
};

// Whether the document has [table]. False where it cannot be parsed.
bool has_toml_table(std::string_view toml, std::string_view table);

std::string environment_name(std::string_view setting);  // "MILLRACE_MAX_NUM_SEQS"
Result<std::int64_t> parse_byte_size(std::string_view text);
std::string format_byte_size(std::int64_t bytes);  // "93.8 MiB"

}  // namespace millrace
