// PartFile: a file while it is being fetched. Data is in NAME.part; NAME.part.journal says which
// bytes of it are known to be on the disk. Both survive the process at any moment; NAME itself
// appears whole or not at all. Belongs to one thread; another process that wants the same file is
// refused.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/result.h"
#include "hub/byte_ranges.h"
#include "hub/digest.h"

namespace millrace::hub {

class PartFile {
 public:
  // Goes on with what is there if it was begun for the same size and checksum, else begins again.
  // Reserves the space. Errors: conflict (another process is at it), unavailable with code
  // "disk_full", invalid_argument.
  static Result<PartFile> open(const std::filesystem::path& final_path, std::int64_t size,
                               const Checksum& checksum);
  PartFile(PartFile&& other) noexcept;
  PartFile& operator=(PartFile&&) = delete;
  ~PartFile();  // a last checkpoint

  Status write(std::int64_t offset, std::span<const std::byte> bytes);
  // Bytes read back; false where the disk fails.
  bool read(std::int64_t offset, std::span<std::byte> bytes) const;
  // What was written so far survives from here on.
  Status checkpoint();
  // Forgets all bytes: they were wrong, or the server cannot go on from the middle.
  Status restart();
  // Everything is there and right: takes its final name.
  Status finish();
  // Removes both files.
  void discard();

  const ByteRanges& present() const { return present_; }
  std::int64_t size() const { return size_; }

 private:
  PartFile() = default;
  Status reserve() const;
  Status load_journal(const std::string& identity);
  Status begin_journal(const std::string& identity);

  std::filesystem::path final_, part_, journal_;
  std::string identity_;
  int fd_ = -1, journal_fd_ = -1;
  std::int64_t size_ = 0;
  ByteRanges present_, unsaved_;
};

// The one sentence for a failed write: what, where, and what to do.
Error write_error(const std::filesystem::path& file, int error_number);

}  // namespace millrace::hub
