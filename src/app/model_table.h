// What lies in a models folder, from headers and configuration alone: no weight is read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::app {

struct ModelRow {
  std::string name;
  std::filesystem::path path{};
  std::string backend{};            // "native", "sim"; empty: no backend takes it
  std::string family{};             // "llama"; empty where only loading tells
  std::int64_t num_parameters = 0;  // 0: unknown
  std::int64_t bytes = 0;           // on disk
  std::int64_t context = 0;         // tokens; 0: unknown
  std::string weights{};            // "q4_1": the kind that most weights have
  std::string tokenizer{};          // "gpt2"; empty: none
  std::int64_t vocab_size = 0;
  bool has_template = false;
  std::string error{};  // why it cannot be served; the rest may be empty then
};

// Sorted by name; what is broken or no model at all is a row with its reason. not_found where there
// is no such folder.
Result<std::vector<ModelRow>> inspect_models(const std::filesystem::path& folder);

// Columns as wide as their widest cell; `colour` for a terminal.
std::string format_table(const std::vector<ModelRow>& rows, bool colour);
json::value table_json(const std::vector<ModelRow>& rows);

// 134515008 → "134.5M"
std::string short_count(std::int64_t count);

}  // namespace millrace::app
