// Archives (wheels, zip files) as hostile input. The one file that names libarchive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::hub {

struct ArchiveEntry {
  std::string name;       // unchecked
  std::int64_t size = 0;  // as the archive says
};

// The plain files in it. At most 100,000.
Result<std::vector<ArchiveEntry>> list_archive(const std::filesystem::path& archive);

// Reads one plain file's bytes in order. Never more of them than the archive said.
Status read_archive_entry(const std::filesystem::path& archive, const ArchiveEntry& entry,
                          const std::function<Status(std::span<const std::byte>)>& on_bytes);

}  // namespace millrace::hub
