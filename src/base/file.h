// Files as hostile input sees them: mapped read-only, read whole under a limit, opened beneath a
// folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "base/result.h"

namespace millrace {

// A read-only mapping of a regular file. Moves, does not copy. Pages may be dropped again with
// release(): after weights are packed the file need not stay resident.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Tells the kernel that these bytes will not be read again soon (madvise DONTNEED). Safe at any
  // time.
  void release(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// The whole file as text. too_large over max_bytes, not_found where there is none.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes);

// `relative` resolved beneath `folder`: refuses absolute paths, `..`, links that leave, and
// anything that is not a regular file. For names that come out of model files (index.json, external
// data).
Result<std::filesystem::path> resolve_beneath(const std::filesystem::path& folder,
                                              const std::string& relative);

}  // namespace millrace
