// StepOptions: the keys of one [[step]] that belong to its kind. Each key is asked for once, with
// its limits; the first mistake is kept, and finish() says it, or names a key that nobody asked
// for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/toml_tree.h"

namespace millrace::serving {

class StepOptions {
 public:
  // `table` (borrowed) holds the options alone. `where`: "pipeline.toml:12: step 'crop'", the
  // beginning of every error. `folder` is where file() looks.
  StepOptions(const TomlValue& table, std::string where, std::filesystem::path folder);

  // A target keeps its value where the key is not given.
  void integer(const char* key, std::int64_t& target, std::int64_t min, std::int64_t max);
  void number(const char* key, double& target, double min, double max);
  void flag(const char* key, bool& target);
  void text(const char* key, std::string& target);
  void choice(const char* key, std::string& target, const std::vector<std::string>& values);
  void integers(const char* key, std::vector<std::int64_t>& target, std::int64_t min,
                std::int64_t max);
  void numbers(const char* key, std::vector<double>& target);
  void texts(const char* key, std::vector<std::string>& target);
  // The contents of the file of that name beside the pipeline; never one outside its folder.
  void file(const char* key, std::string& contents, std::size_t max_bytes);

  bool has(const char* key) const { return table_.find(key) != nullptr; }
  // Keeps a mistake of the caller's own finding; the first one stands.
  void refuse(const char* key, const std::string& message);
  // An error "pipeline.toml:12: step 'crop': width: …"; `param` is the key.
  Status finish() const;
  // The same beginning, for mistakes that are no option's.
  std::unexpected<Error> wrong(const std::string& message) const;

 private:
  const TomlValue* take(const char* key);
  template <class T>
  const T* take_as(const char* key, const char* wanted);
  template <class T>
  void take_list(const char* key, std::vector<T>& target, const char* wanted);

  const TomlValue& table_;
  const std::string where_;
  const std::filesystem::path folder_;
  std::set<std::string, std::less<>> asked_;
  Status status_{};
};

}  // namespace millrace::serving
