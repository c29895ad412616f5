// pipeline.toml as written: names, not yet what they mean. Sizes are bounded, every mistake names
// file, line and key. What the names mean is pipeline_graph.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/toml_tree.h"
#include "serving/pipeline/condition.h"
#include "serving/pipeline/step.h"

namespace millrace::serving {

struct FileTensor {
  std::string name{};
  ValueType type{};
  int line = 0;
};

struct FileConnection {
  std::string to{};  // the input's or output's name; empty: by position
  SourceName from{};
};

struct FileStep {
  std::string name{};
  int line = 0;
  std::string kind{};              // do = "…"; or
  std::string model{}, version{};  // version: a number, a label; empty: the default
  std::vector<FileConnection> inputs{};
  std::optional<Condition> when{};
  std::vector<FileConnection> otherwise{};  // else = …
  TomlValue options{};                      // a table: the keys that are the kind's own
};

struct FileOutput {
  std::string name{};
  SourceName from{};
  int line = 0;
};

struct PipelineFile {
  static constexpr std::size_t kMaxSteps = 256;
  static constexpr std::size_t kMaxTensors = 64;  // inputs, and outputs

  std::string file_name{};
  std::string task{};
  int max_concurrent_requests = 64;
  std::int64_t max_request_bytes = std::int64_t{256} << 20;  // of all values at once
  std::vector<FileTensor> inputs{};
  std::vector<FileStep> steps{};
  std::vector<FileOutput> outputs{};

  // "pipeline.toml:12: step 'crop'"
  std::string where(const FileStep& step) const;
};

Result<PipelineFile> read_pipeline(std::string_view text, std::string_view file_name);

}  // namespace millrace::serving
